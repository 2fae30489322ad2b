"""Homologs by external aligners (MMseqs2, BLAST+), and splits that keep homologs in one part."""
