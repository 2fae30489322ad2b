"""Sources of genes: the registered files of the paper, NCBI Datasets, and downloads over HTTP."""
