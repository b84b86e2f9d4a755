"""Segmentation by example: the in-context net, asked with painted planes. Nothing is trained."""
