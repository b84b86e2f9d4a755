"""Models while a person works: which fits, what it suggests, where models come from and go to."""
