"""Fitting the networks of napari-medseg: data, tasks, augmentation, losses, the trainer."""
