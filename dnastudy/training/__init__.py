"""Training of neural models: one loop, on a processor, a GPU or many.

`recipe` and `report` are plain Python; `loop`, `batches`, `hardware` and `checkpoint` need torch and are imported when
a network is trained.
"""
