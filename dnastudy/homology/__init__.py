"""External aligners (MMseqs2, BLAST+): homologs, families and splits that keep them apart."""
