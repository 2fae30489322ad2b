"""Generative language models of human genes: what they learn from nucleotide sequences.

The package behind the study: gene tables, language models behind one protocol, one meaning for each metric, and
run records from which every number of the book comes.
"""

__version__ = "0.1.0"
