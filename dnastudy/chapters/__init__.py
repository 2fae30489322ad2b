"""Notebooks: their parameters, their execution, what a page shows around its content, and building the book."""
