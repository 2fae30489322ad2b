"""Training of neural models: one loop, on a processor, on one GPU or on several.

`recipe`, `report` and `log` are plain Python; `loop`, `batches`, `hardware` and `checkpoint` need torch and are
imported when a network is trained.
"""
