"""Deformable convolution in plain torch operations.

Dai et al., "Deformable Convolutional Networks", ICCV 2017 (v1: offsets), and Zhu et al.,
"Deformable ConvNets v2: More Deformable, Better Results", CVPR 2019 (v2: offsets and modulation).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
    stride, padding, dilation = _pair(stride), _pair(padding), _pair(dilation)
    kernel = (int(weight.shape[2]), int(weight.shape[3]))
    out_size = _output_size(x, kernel, stride, padding, dilation)
    groups = _offset_groups(x, offset, mask, kernel, out_size)
    rows, cols = _sampling_points(offset, kernel, out_size, stride, padding, dilation, groups)
    columns = _sample(x, rows, cols, mask, groups)
    out = _contract(columns, weight, x.shape[1])
    out = out.unflatten(1, out_size).permute(0, 3, 1, 2)
    return out if bias is None else out + bias[:, None, None]


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


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _output_size(
    x: Tensor,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> tuple[int, int]:
    def along(axis: int) -> int:
        span = dilation[axis] * (kernel[axis] - 1) + 1
        return (x.shape[2 + axis] + 2 * padding[axis] - span) // stride[axis] + 1

    return along(0), along(1)


def _offset_groups(
    x: Tensor,
    offset: Tensor,
    mask: Tensor | None,
    kernel: tuple[int, int],
    out_size: tuple[int, int],
) -> int:
    """Check offsets and mask against the output and give the number of offset groups."""
    taps = kernel[0] * kernel[1]
    groups, rest = divmod(offset.shape[1], 2 * taps)
    wanted = (x.shape[0], 1)
    if rest or not groups or offset.shape[0] not in wanted or offset.shape[2:] != out_size:
        raise ValueError(
            f"Offsets of shape {tuple(offset.shape)} do not fit: expected ({x.shape[0]}, "
            f"a multiple of {2 * taps}, {out_size[0]}, {out_size[1]})."
        )
    if x.shape[1] % groups:
        raise ValueError(f"{x.shape[1]} channels cannot be split into {groups} offset groups.")
    shape = (offset.shape[0], groups * taps, *out_size)
    if mask is not None and mask.shape != shape:
        raise ValueError(f"The mask must have shape {shape}, not {tuple(mask.shape)}.")
    return groups


def _sampling_points(
    offset: Tensor,
    kernel: tuple[int, int],
    out_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    groups: int,
) -> tuple[Tensor, Tensor]:
    """Row and column of every sample, each of shape (B, groups, H_out * W_out, taps)."""
    # Half precision cannot hold a position to a fraction of a pixel.
    moved = offset if offset.dtype == torch.float64 else offset.float()
    moved = moved.unflatten(1, (groups, -1, 2)).flatten(-2)

    def along(axis: int) -> Tensor:
        start = torch.arange(out_size[axis], device=offset.device) * stride[axis] - padding[axis]
        tap = torch.arange(kernel[axis], device=offset.device) * dilation[axis]
        return start[:, None] + tap

    rows = along(0)[:, None, :, None].expand(*out_size, *kernel).reshape(-1, kernel[0] * kernel[1])
    cols = along(1)[None, :, None, :].expand(*out_size, *kernel).reshape(-1, kernel[0] * kernel[1])
    return rows + moved[:, :, :, 0].transpose(2, 3), cols + moved[:, :, :, 1].transpose(2, 3)


def _sample(x: Tensor, rows: Tensor, cols: Tensor, mask: Tensor | None, groups: int) -> Tensor:
    """Read `x` at the points: (B, H_out * W_out, taps, C_in)."""
    batch, channels, height, width = x.shape
    top, left = rows.floor(), cols.floor()
    down, right = rows - top, cols - left
    # The four neighbours of a point, and the share of each. A neighbour outside the image has none.
    r = torch.stack((top, top, top + 1, top + 1), -1)
    c = torch.stack((left, left + 1, left, left + 1), -1)
    share = torch.stack(
        ((1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right), -1
    )
    inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
    if mask is not None:
        share = share * mask.unflatten(1, (groups, -1)).flatten(-2).transpose(2, 3)[..., None]
    share = torch.where(inside, share, 0).to(x.dtype)
    index = r.clamp(0, height - 1).long() * width + c.clamp(0, width - 1).long()

    table = x.unflatten(1, (groups, -1)).permute(0, 1, 3, 4, 2).reshape(-1, channels // groups)
    planes = torch.arange(batch * groups, device=x.device).view(batch, groups, 1, 1, 1)
    index = (index + planes * (height * width)).flatten(0, -2)
    share = share.expand(batch, *share.shape[1:]).flatten(0, -2)
    columns = F.embedding_bag(index, table, mode="sum", per_sample_weights=share)
    columns = columns.unflatten(0, (batch, groups, *rows.shape[2:]))
    return columns.permute(0, 2, 3, 1, 4).flatten(-2)


def _contract(columns: Tensor, weight: Tensor, channels: int) -> Tensor:
    """Multiply the samples with the kernel: (B, H_out * W_out, C_out)."""
    groups = channels // weight.shape[1]
    kernel = weight.flatten(2).transpose(1, 2)
    if groups == 1:
        return columns.flatten(2) @ kernel.flatten(1).t()
    split = columns.unflatten(-1, (groups, -1)).permute(0, 3, 1, 2, 4).flatten(3)
    out = split @ kernel.unflatten(0, (groups, -1)).flatten(2).transpose(1, 2)
    return out.transpose(1, 2).flatten(2)
