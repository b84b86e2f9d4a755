"""The docks, one per file."""
