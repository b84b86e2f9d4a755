"""The networks written as their papers write them, the reference that speed is measured against.

Each function but the last, a loss, takes a net of the package for its parameters only, and computes
in the plain way: what a reader of the paper would write first, and what the published code does.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from napari_medseg.engine.colour import GREY_WEIGHTS
from napari_medseg.nets.cross_conv import CrossBlock, CrossConv2d
from napari_medseg.nets.universeg import UniverSeg


def cross_convolution(conv: CrossConv2d, x: Tensor, y: Tensor) -> Tensor:
    """Repeat both sets to all pairs, concatenate their channels, convolve."""
    count_x, count_y = x.shape[1], y.shape[1]
    pairs = torch.cat(
        [
            x.unsqueeze(2).expand(-1, -1, count_y, -1, -1, -1),
            y.unsqueeze(1).expand(-1, count_x, -1, -1, -1, -1),
        ],
        dim=3,
    )
    lead = pairs.shape[:3]
    return conv._conv_forward(pairs.flatten(0, 2), conv.weight, conv.bias).unflatten(0, lead)


def cross_block(block: CrossBlock, target: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
    """Convolve all pairs, average for the query, convolve and activate both sides."""
    pairs = cross_convolution(block.cross.cross_conv, target, support)
    target = block.target.vmapped.conv(pairs.mean(2).flatten(0, 1))
    new_support = block.support.vmapped.conv(pairs.flatten(0, 2))
    shape = (*support.shape[:2], *new_support.shape[1:])
    return F.leaky_relu(target, 0.01).unsqueeze(1), F.leaky_relu(new_support, 0.01).view(shape)


def universeg(net: UniverSeg, target: Tensor, images: Tensor, labels: Tensor) -> Tensor:
    """Give UniverSeg's logits (B, 1, H, W), block by block, both branches to the end."""

    def each(function, maps):  # type: ignore[no-untyped-def]
        return function(maps.flatten(0, 1)).unflatten(0, maps.shape[:2])

    def double(maps: Tensor) -> Tensor:
        return F.interpolate(maps, scale_factor=2, mode="bilinear", align_corners=True)

    query, support = target.unsqueeze(1), torch.cat([images, labels], dim=2)
    skips = []
    for depth, block in enumerate(net.enc_blocks):
        query, support = cross_block(block, query, support)
        if depth < len(net.enc_blocks) - 1:
            skips.append((query, support))
            query, support = (each(lambda m: F.max_pool2d(m, 2), maps) for maps in (query, support))
    for block in net.dec_blocks:
        skip_query, skip_support = skips.pop()
        query = torch.cat([each(double, query), skip_query], dim=2)
        support = torch.cat([each(double, support), skip_support], dim=2)
        query, support = cross_block(block, query, support)
    return net.out_conv.conv(query.squeeze(1))


def spatial_inconsistency(labels: NDArray[np.integer], palette: NDArray[np.integer]) -> float:
    """Give the published "spatial consistency" of a label map, to read; it cannot be optimised.

    The map is painted with the palette, made grey, and the Sobel derivatives along x, along y and
    of both are compared (paper, section 3.3). It is computed from hard labels and so has no
    gradient: in the published program it raises the printed loss and changes nothing. It
    also depends on the palette, which is drawn at random there.

    Parameters
    ----------
    labels : ndarray of int, shape (H, W)
        Label of every pixel.
    palette : ndarray, shape (N, 3)
        Blue, green and red, 0 to 255, of each label.

    Returns
    -------
    float
        Sum of three mean absolute differences.
    """
    grey = np.rint(palette[labels].astype(np.float64) @ np.array(GREY_WEIGHTS[::-1])) / 255
    along_x = ndimage.sobel(grey, axis=1, mode="mirror")
    along_y = ndimage.sobel(grey, axis=0, mode="mirror")
    # The mixed derivative of a 3 × 3 neighbourhood needs no smoothing: [-1, 0, 1] twice.
    slope = np.array([-1.0, 0.0, 1.0])
    mixed = ndimage.correlate1d(grey, slope, axis=0, mode="mirror")
    mixed = ndimage.correlate1d(mixed, slope, axis=1, mode="mirror")
    pairs = ((along_y, along_x), (mixed, along_x), (mixed, along_y))
    return float(sum(np.abs(a - b).mean() for a, b in pairs))
