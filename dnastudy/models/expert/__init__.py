"""Expert mixture: context counts and copies, weighted by how well each predicts (see `model.Expert`)."""
