"""What lives while a person works: support set, proposal, edits. No QWidget."""
