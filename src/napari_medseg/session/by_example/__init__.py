"""Segment by example: the examples, the jobs, and how planes become the open proposal."""
