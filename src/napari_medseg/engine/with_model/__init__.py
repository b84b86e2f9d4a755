"""Segmentation with a pretrained model: tile by tile, on what the model card says it takes."""
