"""Finished runs and task results in; the tables, charts and sentences of the chapters out."""
