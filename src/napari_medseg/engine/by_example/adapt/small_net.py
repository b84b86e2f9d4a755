"""The net that is fitted on a few examples: what it costs is what decides how much it learns."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from napari_medseg.nets.unet import UNet

STRIDE = 2
LEAST = 32
"""Side in pixels: half of it is what a U-Net needs."""


class HalfGridUNet(nn.Module):
    """A U-Net on half the grid: blocks of 2×2 pixels become channels, and pixels again at the end.

    A step takes a third of the time that a U-Net of the same width needs on the whole grid, and
    what is learned in the same time is more (``benchmarks/bench_adapt.py``). Blocks to channels
    and back is the pixel shuffle of Shi et al., "Real-Time Single Image and Video Super-Resolution
    Using an Efficient Sub-Pixel Convolutional Neural Network", CVPR 2016, section 2.

    Parameters
    ----------
    in_channels : int
        Channels of what it sees.
    n_classes : int
        Channels of the logits.
    width : int
        Channels of the first level of its U-Net, even.
    """

    def __init__(self, in_channels: int, n_classes: int, width: int = 16):
        super().__init__()
        self.in_channels = in_channels
        block = STRIDE * STRIDE
        self.unet = UNet(in_channels * block, n_classes * block, width=width)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor, shape (B, in_channels, H, W)
            H and W even and at least 32.

        Returns
        -------
        Tensor, shape (B, n_classes, H, W)

        Raises
        ------
        ValueError
            If the channels do not fit, or a side is odd or too short.
        """
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"this net takes images of shape (batch, {self.in_channels}, height, width), "
                f"not {tuple(x.shape)}"
            )
        rows, columns = x.shape[-2:]
        if min(rows, columns) < LEAST or rows % STRIDE or columns % STRIDE:
            raise ValueError(
                f"an image of {rows}×{columns} pixels does not fit this net; both sides need "
                f"{LEAST} pixels or more, and an even number of them"
            )
        blocks = self.unet(F.pixel_unshuffle(x, STRIDE))
        return F.pixel_shuffle(blocks, STRIDE)
