"""Training of in-context networks: a task is shown by examples, never by its name."""
