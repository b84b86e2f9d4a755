"""Proposals on screen: shown over the image, changed, accepted or rejected."""
