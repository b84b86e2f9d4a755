"""Clusters of one image: no labels and no weights, only the image itself."""
