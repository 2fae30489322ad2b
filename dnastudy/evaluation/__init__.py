"""From models and genes to numbers: scores, metrics with one meaning each, bootstrap intervals, scaling laws."""
