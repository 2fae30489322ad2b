"""Genes in: sequences, file formats, gene tables, splits, data sets, simulation and sources."""
