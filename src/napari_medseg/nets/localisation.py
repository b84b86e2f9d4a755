"""The localisation net of S3-Net's improved variant: which affine view of its features to take."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class LocalisationNet(nn.Module):
    """Predict an affine transformation from features, as in spatial transformer networks.

    Two rounds of convolution, max-pooling and ReLU, then two linear layers (Jaderberg et al.,
    "Spatial Transformer Networks", NeurIPS 2015). The six numbers are bounded: turned by any angle,
    but scaled, sheared and shifted by at most 0.2 in the logarithm, per unit and in half image
    sizes. Without bounds the net learns within a few iterations to look past the image,
    where every label fits. It starts as the identity.

    Parameters
    ----------
    channels : int
        Channels of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.see = nn.Sequential(
            nn.Conv2d(channels, 8, 7),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.Conv2d(8, 10, 5),
            nn.MaxPool2d(2),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(4),
        )
        last = nn.Linear(32, 6)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.decide = nn.Sequential(nn.Linear(160, 32), nn.ReLU(), last)

    def forward(self, features: Tensor) -> Tensor:
        """Give the transformation matrices, (B, 2, 3), of features (B, C, H, W)."""
        turn, wide, high, shear, right, down = (
            self.decide(self.see(features).flatten(1)).tanh().unbind(1)
        )
        angle, shear = math.pi * turn, 0.2 * shear
        cos, sin = angle.cos(), angle.sin()
        wide, high = (0.2 * wide).exp(), (0.2 * high).exp()
        top = (wide * cos, high * (shear * cos - sin), 0.2 * right)
        bottom = (wide * sin, high * (shear * sin + cos), 0.2 * down)
        return torch.stack((torch.stack(top, 1), torch.stack(bottom, 1)), 1)


def affine_view(maps: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Look at `maps` through an affine transformation.

    Parameters
    ----------
    maps : Tensor, shape (B, C, H, W)
        What to look at.
    matrix : Tensor, shape (B, 2, 3)
        Where each pixel of the view comes from, in half image sizes from the centre.

    Returns
    -------
    view : Tensor, shape (B, C, H, W)
        Interpolated bilinearly; zero where it lies outside the maps.
    inside : Tensor of bool, shape (B, H, W)
        Where it does not.
    """
    grid = F.affine_grid(matrix, list(maps.shape), align_corners=False)
    return F.grid_sample(maps, grid, align_corners=False), (grid.abs() <= 1).all(-1)
