"""Where genes come from: the catalogue of sources, HTTP, and NCBI Datasets."""
