"""What only the dock Segment with a model is made of."""
