"""Docks that propose: the jobs, the proposal over the image, and the answers to it."""
