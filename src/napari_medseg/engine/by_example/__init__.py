"""Segmentation by example: the in-context net, asked with painted planes; it is never trained."""
