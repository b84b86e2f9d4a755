"""What only the dock Train a model is made of."""
