"""How good a model is on a data set, and which of two is better, measured as the app segments."""
