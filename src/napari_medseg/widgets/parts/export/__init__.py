"""What only the dock Export labels is made of."""
