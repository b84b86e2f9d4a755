"""What only the dock Cluster one image is made of."""
