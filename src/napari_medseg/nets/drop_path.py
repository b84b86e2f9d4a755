"""Stochastic depth, for the nets whose blocks are residual branches of tokens."""

from __future__ import annotations

from torch import Tensor, nn


class DropPath(nn.Module):
    """Leave out a residual branch for some images of a batch while training.

    Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016; the branches that stay are
    scaled up so that the expectation is kept.
    """

    def __init__(self, probability: float = 0.0):
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """Give the branch (B, ...), zeroed or scaled up for each image by itself while training."""
        if not self.training or self.probability == 0:
            return x
        keep = 1 - self.probability
        kept = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(keep)
        return x * (kept / keep)

    def extra_repr(self) -> str:
        """Show the probability in the printed net."""
        return f"probability={self.probability:.3f}"
