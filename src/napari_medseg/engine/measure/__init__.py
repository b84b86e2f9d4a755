"""Measures: regions of a segmentation, and how well it agrees with a reference."""
