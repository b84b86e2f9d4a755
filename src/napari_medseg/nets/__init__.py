"""The networks as published: torch only, tensors in, tensors out."""
