"""What only the dock Segment by example is made of."""
