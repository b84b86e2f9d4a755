"""Deformable convolution in plain torch operations.

Dai et al., "Deformable Convolutional Networks", ICCV 2017 (v1: offsets), and Zhu et al.,
"Deformable ConvNets v2: More Deformable, Better Results", CVPR 2019 (v2: offsets and modulation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from napari_medseg.nets.sampling import Samples, bilinear_samples, convolve

Size = int | tuple[int, int]


def deform_conv2d(
    x: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
) -> Tensor:
    """Convolve at sampling points that are moved per output pixel.

    Tap ``t = ky * kernel_width + kx`` of output pixel ``(i, j)`` reads row
    ``i * stride - padding + ky * dilation + offset[2t]`` and column
    ``j * stride - padding + kx * dilation + offset[2t + 1]`` by bilinear interpolation; pixels
    outside the image count as zero.

    Parameters
    ----------
    x : Tensor, shape (B, C_in, H, W)
        Feature maps.
    offset : Tensor, shape (B, G * 2 * T, H_out, W_out)
        Displacements in pixels, row before column, for T taps and G offset groups: equal shares of
        the input channels that move together. A batch of 1 serves every image.
    weight : Tensor, shape (C_out, C_in / groups, kernel_height, kernel_width)
        Kernel; the number of groups follows from its shape.
    bias : Tensor, shape (C_out,), optional
        Added to each output channel.
    mask : Tensor, shape (B, G * T, H_out, W_out), optional
        Factor of each sample (v2), taken as it is; ``None`` is v1.
    stride, padding, dilation : int or tuple of int
        As for `torch.nn.functional.conv2d`.

    Returns
    -------
    Tensor, shape (B, C_out, H_out, W_out)
        The convolved maps.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    """
    step = Steps(_pair(weight.shape[2:]), _pair(stride), _pair(padding), _pair(dilation))
    samples = deformed_samples(x, offset, mask, step)
    out = convolve_samples(x, samples, weight, step)
    return out if bias is None else out + bias[:, None, None]


@dataclass(frozen=True)
class Steps:
    """Kernel size, stride, padding and dilation, each (vertical, horizontal)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def taps(self) -> int:
        """Number of values of the kernel."""
        return self.kernel[0] * self.kernel[1]

    def output_size(self, x: Tensor) -> tuple[int, int]:
        """Height and width of the convolved `x`."""

        def along(axis: int) -> int:
            span = self.dilation[axis] * (self.kernel[axis] - 1) + 1
            return (x.shape[2 + axis] + 2 * self.padding[axis] - span) // self.stride[axis] + 1

        return along(0), along(1)


def deformed_samples(x: Tensor, offset: Tensor, mask: Tensor | None, step: Steps) -> Samples:
    """Find what the kernel reads from `x`; shapes as for `deform_conv2d`."""
    _check_shapes(x, offset, mask, step)
    # Half precision cannot hold a position to a fraction of a pixel.
    moved = offset if offset.dtype == torch.float64 else offset.float()
    moved = moved.expand(x.shape[0], -1, -1, -1).reshape(-1, step.taps, 2, *offset.shape[2:])
    moved = moved.permute(2, 0, 3, 4, 1)
    rows, cols = (_regular_positions(axis, step, moved) for axis in (0, 1))
    size = (int(x.shape[2]), int(x.shape[3]))
    samples = bilinear_samples((rows + moved[0]).flatten(1), (cols + moved[1]).flatten(1), size)
    if mask is None:
        return samples
    factor = mask.expand(x.shape[0], -1, -1, -1).reshape(-1, step.taps, *mask.shape[2:])
    factor = factor.permute(0, 2, 3, 1).flatten(1)[..., None]
    return replace(samples, share=samples.share * factor)


def convolve_samples(x: Tensor, samples: Samples, weight: Tensor, step: Steps) -> Tensor:
    """Multiply what the kernel reads from `x` with the kernel: (B, C_out, H_out, W_out)."""
    groups = samples.index.shape[0] // x.shape[0]
    maps = x.unflatten(1, (groups, -1)).flatten(0, 1)
    kernel = _ungrouped(weight, x.shape[1]).unflatten(1, (groups, -1)).flatten(3)
    kernels = kernel.permute(1, 0, 3, 2).flatten(2).repeat(x.shape[0], 1, 1)
    out = convolve(maps, samples, kernels).unflatten(0, (-1, groups)).sum(1)
    return out.unflatten(1, step.output_size(x)).permute(0, 3, 1, 2)


class DeformableConv2d(nn.Module):
    """Deformable convolution, v1 without and v2 with a modulation mask.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the input and of the output.
    kernel_size, stride, padding, dilation : int or tuple of int
        As for `torch.nn.Conv2d`.
    groups : int
        Groups of the convolution; the offset groups follow from the shape of the offsets.
    bias : bool
        Whether to learn a bias.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size = 3,
        stride: Size = 1,
        padding: Size = 1,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"{in_channels} input and {out_channels} output channels cannot be split "
                f"into {groups} groups."
            )
        self.stride, self.padding, self.dilation = _pair(stride), _pair(padding), _pair(dilation)
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels // groups, *_pair(kernel_size))
        )
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters as `torch.nn.Conv2d` does."""
        bound = self.weight[0].numel() ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        """Convolve `x`; see `deform_conv2d` for the shapes."""
        return deform_conv2d(
            x,
            offset,
            self.weight,
            self.bias,
            mask,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )


def _pair(size: Size | torch.Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _check_shapes(x: Tensor, offset: Tensor, mask: Tensor | None, step: Steps) -> None:
    """Refuse offsets and masks that do not fit the output."""
    size = step.output_size(x)
    groups, rest = divmod(offset.shape[1], 2 * step.taps)
    if rest or not groups or offset.shape[0] not in (1, x.shape[0]) or offset.shape[2:] != size:
        raise ValueError(
            f"Offsets of shape {tuple(offset.shape)} do not fit: expected ({x.shape[0]}, "
            f"a multiple of {2 * step.taps}, {size[0]}, {size[1]})."
        )
    if x.shape[1] % groups:
        raise ValueError(f"{x.shape[1]} channels cannot be split into {groups} offset groups.")
    shape = (offset.shape[0], groups * step.taps, *size)
    if mask is not None and mask.shape != shape:
        raise ValueError(f"The mask must have shape {shape}, not {tuple(mask.shape)}.")


def _regular_positions(axis: int, step: Steps, like: Tensor) -> Tensor:
    """Row (axis 0) or column (axis 1) that each tap reads without offsets: (H_out, W_out, taps)."""
    size = (int(like.shape[2]), int(like.shape[3]))
    start = torch.arange(size[axis], device=like.device) * step.stride[axis] - step.padding[axis]
    tap = torch.arange(step.kernel[axis], device=like.device) * step.dilation[axis]
    position = start[:, None] + tap
    position = position[:, None, :, None] if axis == 0 else position[None, :, None, :]
    return position.expand(*size, *step.kernel).flatten(2)


def _ungrouped(weight: Tensor, channels: int) -> Tensor:
    """Give the kernel for all channels; what a group does not see has weight zero."""
    groups = channels // weight.shape[1]
    if groups == 1:
        return weight
    own = torch.eye(groups, dtype=weight.dtype, device=weight.device)
    split = weight.unflatten(0, (groups, -1))[:, :, None]
    return (own[:, None, :, None, None, None] * split).flatten(2, 3).flatten(0, 1)
