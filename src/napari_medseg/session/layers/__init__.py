"""Layers of the viewer as the docks use them: where they lie, whose they are, what is shown."""
