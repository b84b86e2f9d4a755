"""Read feature maps between the pixels, by bilinear interpolation, and convolve what is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

_PART = 1 << 20
"""Values read at a time: few enough to stay near the core."""
_ROWS = 16
"""Of so many images, or more, oneDNN convolves even with one thread."""


@dataclass(frozen=True)
class Samples:
    """Where to read: per sample four pixels and the share of each.

    Parameters
    ----------
    index : Tensor of int, shape (M, N, 4)
        Pixels of each of M maps that N samples read.
    share : Tensor, shape (M, N, 4)
        What each contributes; zero for neighbours outside the image.
    """

    index: Tensor
    share: Tensor
    _parts: dict[int, list[list[_Part]]] = field(default_factory=dict, compare=False, repr=False)

    def parts(self, length: int) -> list[list[_Part]]:
        """Split the samples of each map into parts of `length`; what they find out is kept."""
        if length not in self._parts:
            self._parts[length] = [
                [
                    _Part(self.index[m, start : start + length], share[start : start + length])
                    for start in range(0, len(share), length)
                ]
                for m, share in enumerate(self.share.detach())
            ]
        return self._parts[length]


@dataclass(frozen=True)
class _Part:
    index: Tensor
    share: Tensor

    @cached_property
    def readers(self) -> tuple[slice, Tensor, Tensor, Tensor]:
        """Which pixels are read; by pixel: the samples that do, their shares, and where they start.

        In this order the gradient of the pixels is a weighted sum of rows, as reading is.
        """
        flat = self.index.flatten()
        first, last = int(flat.min()), int(flat.max())
        order = torch.argsort(flat)
        counts = torch.bincount(flat - first, minlength=last - first + 1)
        starts = (counts.cumsum(0) - counts).to(flat.dtype)
        samples = (order // 4).to(flat.dtype)
        return slice(first, last + 1), samples, self.share.flatten()[order], starts

    def read(self, table: Tensor) -> Tensor:
        """Read pixels (P, C) at all samples: (N, C)."""
        share = self.share.to(table.dtype)
        return F.embedding_bag(self.index, table, mode="sum", per_sample_weights=share)

    def add_gradient(self, gradient: Tensor, upstream: Tensor) -> None:
        """Add to the gradient (P, C) of the pixels, given that (N, C) of what was read."""
        pixels, samples, shares, starts = self.readers
        gradient[pixels] += F.embedding_bag(
            samples, upstream, starts, mode="sum", per_sample_weights=shares.to(upstream.dtype)
        )

    def share_gradient(self, table: Tensor, upstream: Tensor) -> Tensor:
        """Give the gradient (N, 4) of the shares."""
        corners = self.index.shape[1]
        starts = torch.arange(0, self.index.numel(), corners, device=table.device)
        sample = torch.arange(len(self.index), device=table.device).repeat_interleave(corners)
        found: Tensor = torch.ops.aten._embedding_bag_per_sample_weights_backward(
            upstream, table, self.index.flatten().long(), starts, sample, 0
        )
        return found.view_as(self.index)


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
        N samples of M maps; pixels outside the maps count as zero.
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
    # Half as wide numbers sort twice as fast.
    kind = torch.int32 if height * width < 2**31 else torch.int64
    index = r.clamp(0, height - 1).to(kind) * width + c.clamp(0, width - 1).to(kind)
    return Samples(index, torch.where(inside, share, 0))


def convolve(maps: Tensor, samples: Samples, kernels: Tensor) -> Tensor:
    """Read each map at groups of samples and multiply each group with a kernel.

    Neither what is read nor its gradient is ever held as a whole: both are several times as large
    as the maps.

    Parameters
    ----------
    maps : Tensor, shape (M, C, H, W)
        What is read.
    samples : Samples
        N * T samples of each map: T that belong together after each other.
    kernels : Tensor, shape (M, O, T * C)
        A kernel for each map.

    Returns
    -------
    Tensor, shape (M, N, O)
        Per group the product with the kernel.
    """
    tables = maps.permute(0, 2, 3, 1).flatten(1, 2)
    if torch.compiler.is_compiling():
        return _convolved(tables, samples, kernels)
    found: Tensor = _Convolve.apply(tables, samples.share, kernels, samples)
    return found


def _convolved(tables: Tensor, samples: Samples, kernels: Tensor) -> Tensor:
    taps = kernels.shape[2] // tables.shape[2]
    return torch.stack(
        [
            torch.cat(
                [
                    _multiply(part.read(table).view(-1, taps * table.shape[1]), kernel)
                    for part in parts
                ]
            )
            for table, kernel, parts in zip(
                tables, kernels, samples.parts(_part_length(tables, taps)), strict=True
            )
        ]
    )


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, tables: Tensor, share: Tensor, kernels: Tensor, samples: Samples
    ) -> Tensor:
        ctx.save_for_backward(tables, kernels)
        ctx.samples = samples
        return _convolved(tables, samples, kernels)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        tables, kernels = ctx.saved_tensors
        taps = kernels.shape[2] // tables.shape[2]
        found = [
            torch.zeros_like(what) if needed else None
            for what, needed in zip(
                (tables, ctx.samples.share, kernels), ctx.needs_input_grad, strict=False
            )
        ]
        length = _part_length(tables, taps)
        for m, parts in enumerate(ctx.samples.parts(length)):
            into = [None if gradient is None else gradient[m] for gradient in found]
            grads = upstream[0][m].split(length // taps)
            for number, (part, grad) in enumerate(zip(parts, grads, strict=True)):
                share = None if into[1] is None else into[1][number * length :][: len(part.index)]
                _add_gradients(part, tables[m], kernels[m], grad, (into[0], share, into[2]))
        return (*found, None)


def _add_gradients(
    part: _Part,
    table: Tensor,
    kernel: Tensor,
    upstream: Tensor,
    into: tuple[Tensor | None, Tensor | None, Tensor | None],
) -> None:
    """Add a part's gradients to those of table, shares and kernel, where they are wanted."""
    of_table, of_share, of_kernel = into
    if of_kernel is not None:
        columns = part.read(table).view(-1, kernel.shape[1])
        of_kernel += _kernel_gradient(columns, upstream, kernel)
    if of_table is None and of_share is None:
        return
    columns = _multiply(upstream, kernel.T).view(-1, table.shape[1])
    if of_table is not None:
        part.add_gradient(of_table, columns)
    if of_share is not None:
        of_share += part.share_gradient(table, columns)


def _part_length(tables: Tensor, taps: int) -> int:
    """Give the samples of a part: whole groups, as many as oneDNN is quick with."""
    unit = taps * _ROWS
    return unit * max(1, _PART // (unit * tables.shape[2]))


def _multiply(rows: Tensor, kernel: Tensor) -> Tensor:
    """Multiply rows (N, K) with a kernel (O, K): (N, O).

    As a 1 × 1 convolution: oneDNN's is faster than a product of two matrices of which one is so
    narrow.
    """
    if len(rows) % _ROWS:
        return rows @ kernel.T
    out = F.conv2d(_as_images(rows), kernel[..., None, None])
    return out.permute(0, 2, 3, 1).flatten(0, 2)


def _kernel_gradient(rows: Tensor, upstream: Tensor, kernel: Tensor) -> Tensor:
    if len(rows) % _ROWS:
        return upstream.T @ rows
    found = torch.ops.aten.convolution_backward(
        _as_images(upstream),
        _as_images(rows),
        kernel[..., None, None],
        None,
        [1, 1],
        [0, 0],
        [1, 1],
        False,
        [0, 0],
        1,
        [False, True, False],
    )
    return found[1].flatten(1)


def _as_images(rows: Tensor) -> Tensor:
    """View rows (N, K) as images (16, K, 1, N / 16)."""
    return rows.view(_ROWS, 1, -1, rows.shape[1]).permute(0, 3, 1, 2)
