"""What only the dock Measure and compare is made of."""
