"""What the app can do to arrays: numpy in, a Segmentation out. No Qt, no napari."""
