"""Expert models: context counts and copies, mixed by how well each does (see `model.Expert`)."""
