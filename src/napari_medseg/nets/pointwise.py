"""1 × 1 convolution at oneDNN's full speed on a CPU."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PointwiseConv2d(nn.Conv2d):
    """1 × 1 convolution with the parameters, output and gradients of ``nn.Conv2d(c, d, 1)``.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `x` (B, C_in, H, W): (B, C_out, H, W)."""
        return pointwise(x, self.weight, self.bias)


def pointwise(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Convolve `x` (B, C_in, H, W) with a 1 × 1 kernel (C_out, C_in, 1, 1).

    With one thread and few images torch takes a slow routine of its own for 1 × 1 kernels. To a
    1 × 1 kernel the rows of an image are images as well, and of those there are many, so that
    oneDNN is taken; in channels_last layout this costs no copy.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return F.conv2d(x, weight, bias)
    y: Tensor = _Pointwise.apply(x, weight, bias)
    return y


class _Pointwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _images(F.conv2d(_rows(x), weight, bias), x)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        needs_x, needs_weight, needs_bias = ctx.needs_input_grad
        grad = _rows(upstream[0])
        return (
            _images(F.conv2d(grad, weight.transpose(0, 1)), x) if needs_x else None,
            _weight_gradient(_rows(x), grad, weight) if needs_weight else None,
            upstream[0].sum((0, 2, 3)) if needs_bias else None,
        )


def _rows(x: Tensor) -> Tensor:
    """View images (B, C, H, W) as ``B * H`` images of one row, (B * H, C, 1, W)."""
    x = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1)
    return x.flatten(0, 1).unsqueeze(1).permute(0, 3, 1, 2)


def _images(rows: Tensor, like: Tensor) -> Tensor:
    """Put rows back into images of the height of `like`."""
    rows = rows.permute(0, 2, 3, 1).squeeze(1)
    return rows.unflatten(0, (like.shape[0], like.shape[2])).permute(0, 3, 1, 2)


def _weight_gradient(x: Tensor, grad: Tensor, weight: Tensor) -> Tensor:
    found = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1, [False, True, False]
    )
    return found[1]
