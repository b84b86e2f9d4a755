"""Small synthetic images with masks, made by `make_samples.py`, offered under File > Open Sample."""
