"""What is computed, once: profiles, the plan of runs and tasks, the store, and records."""
