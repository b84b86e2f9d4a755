"""Depthwise convolution with large and dilated kernels, made cheap to train on a CPU."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_STRIP = 1 << 19
"""Values of a strip of the image: small enough to stay in a core's cache."""


class DepthwiseConv2d(nn.Conv2d):
    """Depthwise convolution that keeps the size of its input.

    Same parameters, output and gradients as ``nn.Conv2d(..., groups=channels)``. On a CPU, three
    things make it faster than that: a dilated convolution is done as a plain one of the
    interleaved sub-images that it does not mix; the gradient of the input is the forward
    convolution with the kernel turned; and the gradient of the kernel is put together from those of
    3 × 3 kernels, the only size for which oneDNN has a vectorised routine.

    Parameters
    ----------
    channels : int
        Channels of the input and of the output.
    kernel_size : int
        Odd width of the square kernel.
    dilation : int
        Distance between taps.
    """

    def __init__(self, channels: int, kernel_size: int, dilation: int = 1) -> None:
        pad = dilation * (kernel_size // 2)
        super().__init__(
            channels, channels, kernel_size, padding=pad, dilation=dilation, groups=channels
        )

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `x` (B, C, H, W); the shape stays."""
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(x)
        y: Tensor = _Depthwise.apply(x, self.weight, self.bias, self.dilation[0])
        return y


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, step: int) -> Tensor:
        phases = _to_phases(x, step)
        ctx.save_for_backward(phases, weight)
        ctx.step, ctx.shape = step, x.shape
        y = F.conv2d(phases, weight, bias, padding=weight.shape[-1] // 2, groups=x.shape[1])
        return _from_phases(y, step, x.shape)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad = _to_phases(upstream[0], ctx.step)
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        of_x = None
        if needs_x:
            turned = weight.flip(2, 3)
            of_x = F.conv2d(grad, turned, padding=weight.shape[-1] // 2, groups=x.shape[1])
            of_x = _from_phases(of_x, ctx.step, ctx.shape)
        return (
            of_x,
            _weight_gradient(x, grad, weight) if needs_weight else None,
            upstream[0].sum((0, 2, 3)) if needs_bias else None,
            None,
        )


def _weight_gradient(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    """Sum the gradient of the kernel over strips of the images, 3 × 3 taps at a time."""
    kernel = weight.shape[-1]
    patches = range(0, kernel, 3)
    halo = kernel // 2
    channels, height, width = x.shape[1:]
    rows = max(1, _STRIP // (channels * width))
    like = weight.new_empty(channels, 1, 3, 3)
    total = weight.new_zeros(channels, 1, patches[-1] + 3, patches[-1] + 3)
    for image, upstream in zip(x.split(1), grad.split(1), strict=True):
        for top in range(0, height, rows):
            strip = upstream[:, :, top : top + rows]
            first, last = top - halo, top + strip.shape[2] + 2 + patches[-1] - halo
            near = image[:, :, max(first, 0) : last]
            below = last - first - max(-first, 0) - near.shape[2]
            for j in patches:
                # Shifted sideways once, it serves all patches below each other without a copy.
                left, right = max(halo - j, 0), max(2 - halo + j, 0)
                seen = F.pad(near, (left, right, max(-first, 0), below))
                seen = seen[..., left - halo + j :][..., : width + 2]
                for i in patches:
                    part = seen[:, :, i : i + strip.shape[2] + 2]
                    total[:, :, i : i + 3, j : j + 3] += _weight_gradient_3x3(part, strip, like)
    return total[:, :, :kernel, :kernel].contiguous()


def _weight_gradient_3x3(x: Tensor, grad: Tensor, like: Tensor) -> Tensor:
    """Gradient of a 3 × 3 kernel by which `x`, two larger than `grad`, was convolved."""
    found = torch.ops.aten.convolution_backward(
        grad.contiguous(memory_format=torch.channels_last),
        x.contiguous(memory_format=torch.channels_last),
        like,
        None,
        [1, 1],
        [0, 0],
        [1, 1],
        False,
        [0, 0],
        x.shape[1],
        [False, True, False],
    )
    return found[1]


def _to_phases(x: Tensor, step: int) -> Tensor:
    """Sort the pixels into ``step ** 2`` sub-images, each every `step`-th row and column."""
    if step == 1:
        return x.contiguous(memory_format=torch.channels_last)
    batch, channels, height, width = x.shape
    out = x.new_empty(batch, step, step, -(-height // step), -(-width // step), channels)
    for i, j in product(range(step), repeat=2):
        part = x[:, :, i::step, j::step].permute(0, 2, 3, 1)
        out[:, i, j, : part.shape[1], : part.shape[2]] = part
        out[:, i, j, part.shape[1] :] = 0
        out[:, i, j, :, part.shape[2] :] = 0
    return out.flatten(0, 2).permute(0, 3, 1, 2)


def _from_phases(y: Tensor, step: int, shape: torch.Size) -> Tensor:
    """Put sub-images back into images of `shape`."""
    if step == 1:
        return y
    batch, channels, height, width = shape
    out = y.new_empty(batch, height, width, channels)
    phases = y.permute(0, 2, 3, 1).unflatten(0, (batch, step, step))
    for i, j in product(range(step), repeat=2):
        part = out[:, i::step, j::step]
        part.copy_(phases[:, i, j, : part.shape[1], : part.shape[2]])
    return out.permute(0, 3, 1, 2)
