"""What made the labels of a layer: noted, told in words, and made again."""
