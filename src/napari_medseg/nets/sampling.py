"""Read feature maps between the pixels, by bilinear interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Where to read: per sample four pixels and the share of each.

    Parameters
    ----------
    index : Tensor of int, shape (N, 4)
        Pixels among all pixels of all maps.
    share : Tensor, shape (N, 4)
        What each contributes; zero for neighbours outside the image.
    pixels : int
        How many pixels there are.
    """

    index: Tensor
    share: Tensor
    pixels: int

    @cached_property
    def readers(self) -> tuple[Tensor, Tensor]:
        """The shares sorted by the pixel they read, and where each pixel's readers start."""
        flat = self.index.flatten()
        # Half as wide numbers sort twice as fast.
        order = torch.argsort(flat.int() if self.pixels < 2**31 else flat)
        counts = torch.bincount(flat, minlength=self.pixels)
        return order, counts.cumsum(0) - counts


def bilinear_samples(rows: Tensor, cols: Tensor, size: tuple[int, int]) -> Samples:
    """Prepare to read maps of `size` at the points (`rows`, `cols`).

    Parameters
    ----------
    rows, cols : Tensor of float, shape (M, N)
        Positions of N points in each of M maps, in pixels; the centre of the first pixel is (0, 0).
    size : tuple of int
        Height and width of the maps.

    Returns
    -------
    Samples
        M * N samples; pixels outside the maps count as zero.
    """
    height, width = size
    top, left = rows.floor(), cols.floor()
    down, right = rows - top, cols - left
    r = torch.stack((top, top, top + 1, top + 1), -1)
    c = torch.stack((left, left + 1, left, left + 1), -1)
    share = torch.stack(
        ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right), -1
    )
    inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
    index = r.clamp(0, height - 1).long() * width + c.clamp(0, width - 1).long()
    maps = torch.arange(rows.shape[0], device=rows.device)[:, None, None] * (height * width)
    return Samples(
        (index + maps).flatten(0, 1),
        torch.where(inside, share, 0).flatten(0, 1),
        rows.shape[0] * height * width,
    )


def read(maps: Tensor, samples: Samples) -> Tensor:
    """Read `maps` (M, C, H, W) at `samples`: (M * N, C)."""
    table = maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])
    share = samples.share.to(maps.dtype)
    # torch's gradient for the table takes one pixel after the other: it gets another one below.
    found = F.embedding_bag(samples.index, table.detach(), mode="sum", per_sample_weights=share)
    return _TableGradient.apply(found, table, samples) if table.requires_grad else found


class _TableGradient(torch.autograd.Function):
    """Pass values through; give the table they were read from its gradient.

    That gradient is a weighted sum of rows too, once the samples are sorted by the pixel they
    read.
    """

    @staticmethod
    def forward(ctx: Any, found: Tensor, table: Tensor, samples: Samples) -> Tensor:
        ctx.samples = samples
        return found.view_as(found)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        grad = upstream[0].contiguous()
        order, starts = ctx.samples.readers
        share = ctx.samples.share.detach().flatten()[order].to(grad.dtype)
        table = F.embedding_bag(order // 4, grad, starts, mode="sum", per_sample_weights=share)
        return grad, table, None
