"""Names under which tasks are registered. A new task is one line here."""

from __future__ import annotations

TASKS: dict[str, str] = {
    "mutation-detection": "dnastudy.tasks.mutation_detection:MutationDetection",
    "generation-quality": "dnastudy.tasks.generation_quality:GenerationQuality",
    "gene-types": "dnastudy.tasks.gene_types:GeneTypes",
}
"""``module:class`` of each task by its name."""
