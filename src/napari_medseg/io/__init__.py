"""Files: readers and writers that keep the geometry. Stands on nothing else of the package."""
