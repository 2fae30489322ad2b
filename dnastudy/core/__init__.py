"""Errors, files that appear whole, typed settings, and where results come from."""
