"""Images drawn from formulas, each with its exact mask: what the samples are made of."""
