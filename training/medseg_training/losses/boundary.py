"""The boundary term of the improved S3-Net, for supervised trainings, too."""

from __future__ import annotations

from torch import Tensor, nn

from napari_medseg.engine.cluster.losses import boundary_loss


class BoundaryRefinement(nn.Module):
    """Says how much of a soft label map is too fine to survive being made smaller.

    ``|Up(Down(Y)) - Y|`` of the softmax ``Y``; see `napari_medseg.engine.cluster.losses`, where the
    same term fits S3-Net to one image. It smooths outlines, and erases what is thinner than `beta`
    pixels if it weighs too much.

    Parameters
    ----------
    alpha : float
        Factor of the logits before the softmax: higher is nearer to hard labels.
    beta : int
        How many times smaller the map is made.
    """

    def __init__(self, alpha: float = 3.0, beta: int = 16) -> None:
        super().__init__()
        self.alpha, self.beta = alpha, beta

    def forward(self, logits: Tensor) -> Tensor:
        """Give the loss of logits (B, K, H, W), a scalar between 0 and 2."""
        return boundary_loss(logits, self.alpha, self.beta)
