"""Handing labels on: what is chosen, which moment of it, and the job that writes it."""
