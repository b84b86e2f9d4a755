"""The docks, one per file; and what opens a window: the readers and the tour."""
