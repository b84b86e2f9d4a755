"""What is done for all labels of a viewer, whichever dock is open; what was unsaved comes back."""
