"""What lives while a person works: examples, proposals, edits, journal, runs. No QWidget."""
