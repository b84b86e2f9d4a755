"""Pieces of docks: shared ones lie here, those of one dock in a package of its name."""
