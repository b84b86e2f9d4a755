"""Data sets of images with masks: readers, checks, splits, planes, augmentation, batches."""
