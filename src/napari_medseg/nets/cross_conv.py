"""CrossConvolution and CrossBlock, the exchange of features between a query and its support set.

Butoi, Gonzalez Ortiz et al., "UniverSeg: Universal Medical Image Segmentation", ICCV 2023,
section 3.2. Both compute what the paper writes, but never form the concatenated pairs: a
convolution is linear, so each side is convolved once with its own slice of the kernel.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEAKY_SLOPE = 0.01
"""Slope of every LeakyReLU of UniverSeg for negative values."""

ChannelPair = int | tuple[int, int]


def as_pair(value: int | tuple[int, int]) -> tuple[int, int]:
    """Give (c, c) for an integer c, and the pair itself for a pair."""
    if isinstance(value, int):
        return value, value
    first, second = value
    return first, second


class CrossConv2d(nn.Conv2d):
    """Convolve every pair of two sets of feature maps, joined along their channels.

    Output (a, b) is the convolution of the concatenation [x_a, y_b]. The parameters are those of
    the `torch.nn.Conv2d` over the concatenation, so its state dict has ``weight`` of shape
    (out_channels, (Cx + Cy) / groups, kh, kw) and ``bias``.

    Parameters
    ----------
    in_channels
        Channels (Cx, Cy) of the two sets; an integer c means (c, c).
    out_channels, kernel_size
        As for `torch.nn.Conv2d`.
    stride, padding, dilation, groups, bias, padding_mode, device, dtype
        As for `torch.nn.Conv2d`; a group may hold channels of both sets.
    """

    def __init__(
        self,
        in_channels: ChannelPair,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: str | int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: Literal["zeros", "reflect", "replicate", "circular"] = "zeros",
        device: Any = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        pair = as_pair(in_channels)
        super().__init__(
            sum(pair),
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )
        self.channel_pair = pair

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        """Convolve all pairs.

        Parameters
        ----------
        x
            First set, (B, Sx, Cx, H, W).
        y
            Second set, (B, Sy, Cy, H, W). Either set may have batch size 1 and is then shared.

        Returns
        -------
        Tensor
            (B, Sx, Sy, out_channels, H', W').

        Raises
        ------
        ValueError
            If the sets differ in batch or image size or have other channels than announced.
        """
        self._check(x, y)
        per_group = self.weight.shape[1]
        only_x, shared = divmod(self.channel_pair[0], per_group)
        only_y = self.groups - only_x - (shared > 0)
        channels_x = [only_x * per_group, shared]
        channels_y = [per_group - shared if shared else 0, only_y * per_group]
        x_alone, x_shared = x.split(channels_x, dim=2)
        y_shared, y_alone = y.split(channels_y, dim=2)
        out = self.out_channels // self.groups
        rows = [only_x * out, out if shared else 0, only_y * out]
        weights = self.weight.split(rows)
        biases = self.bias.split(rows) if self.bias is not None else (None, None, None)
        parts = []
        if only_x:
            parts.append(self._convolve(x_alone, weights[0], biases[0], only_x).unsqueeze(2))
        if shared:
            from_x = self._convolve(x_shared, weights[1][:, :shared], biases[1], 1)
            from_y = self._convolve(y_shared, weights[1][:, shared:], None, 1)
            parts.append(from_x.unsqueeze(2) + from_y.unsqueeze(1))
        if only_y:
            parts.append(self._convolve(y_alone, weights[2], biases[2], only_y).unsqueeze(1))
        return _join_channels(parts, (max(len(x), len(y)), x.shape[1], y.shape[1]))

    def _convolve(self, maps: Tensor, weight: Tensor, bias: Tensor | None, groups: int) -> Tensor:
        """Convolve each map of a set (B, S, C, H, W) with a slice of the kernel."""
        flat, padding = maps.flatten(0, 1), self.padding
        if self.padding_mode != "zeros":
            flat = F.pad(flat, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0, 0)
        flat = F.conv2d(flat, weight, bias, self.stride, padding, self.dilation, groups)
        return flat.unflatten(0, maps.shape[:2])

    def _check(self, x: Tensor, y: Tensor) -> None:
        for name, maps, channels in zip("xy", (x, y), self.channel_pair, strict=True):
            if maps.dim() != 5 or maps.shape[2] != channels:
                raise ValueError(
                    f"CrossConv2d expects {name} of shape (batch, set, {channels}, height, width), "
                    f"but got {tuple(maps.shape)}."
                )
        if x.shape[3:] != y.shape[3:] or (len(x) != len(y) and 1 not in (len(x), len(y))):
            raise ValueError(
                "CrossConv2d expects both sets with the same batch size, height and width, "
                f"but got {tuple(x.shape)} and {tuple(y.shape)}."
            )


def _join_channels(parts: list[Tensor], lead: tuple[int, int, int]) -> Tensor:
    """Concatenate parts (B, Sx, Sy, C_i, H, W), some of size 1 along the first three axes."""
    expanded = [part.expand(*lead, *part.shape[3:]) for part in parts]
    return expanded[0] if len(expanded) == 1 else torch.cat(expanded, dim=3)


class _Conv(nn.Module):
    """A convolution that keeps height and width, under the published name ``conv``."""

    def __init__(self, in_channels: int, out_channels: int, gain_for: str, size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, size, padding=size // 2)
        init_convolution(self.conv, gain_for)

    def forward(self, maps: Tensor) -> Tensor:
        return self.conv(maps)


class _SetConv(nn.Module):
    """A 3x3 convolution and LeakyReLU on each map of a set (B, S, C, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.vmapped = _Conv(in_channels, out_channels, "relu")

    def forward(self, maps: Tensor) -> Tensor:
        flat = F.leaky_relu(self.vmapped(maps.flatten(0, 1)), LEAKY_SLOPE)
        return flat.unflatten(0, maps.shape[:2])


class _CrossLayer(nn.Module):
    """The cross convolution, and a LeakyReLU where one is asked for."""

    def __init__(self, in_channels: ChannelPair, out_channels: int, activate: bool) -> None:
        super().__init__()
        self.cross_conv = CrossConv2d(in_channels, out_channels, 3, padding=1)
        init_convolution(self.cross_conv, "relu" if activate else "linear")
        self.activate = activate

    def forward(self, target: Tensor, support: Tensor) -> Tensor:
        pairs = self.cross_conv(target, support)
        return F.leaky_relu(pairs, LEAKY_SLOPE) if self.activate else pairs


class CrossBlock(nn.Module):
    """One exchange between the feature maps of a query and those of its support set.

    The query's map is convolved with each support map; the query goes on with the mean of the
    results, each support entry with its own, and each side passes one more 3x3 convolution with
    LeakyReLU (slope 0.01).

    Parameters
    ----------
    in_channels
        Channels (query, support) that come in; an integer c means (c, c).
    cross_features
        Channels of the cross convolution.
    conv_features
        Channels that go out, on both sides; `None`: as many as `cross_features`.
    cross_nonlinearity
        What follows the cross convolution. The paper's formula has "LeakyReLU" there, the
        published network `None`.
    """

    def __init__(
        self,
        in_channels: ChannelPair,
        cross_features: int,
        conv_features: int | None = None,
        cross_nonlinearity: Literal["LeakyReLU"] | None = None,
    ) -> None:
        super().__init__()
        if cross_nonlinearity not in (None, "LeakyReLU"):
            raise ValueError(
                f'cross_nonlinearity is None or "LeakyReLU", not {cross_nonlinearity!r}.'
            )
        conv_features = conv_features or cross_features
        self.cross = _CrossLayer(in_channels, cross_features, cross_nonlinearity is not None)
        self.target = _SetConv(cross_features, conv_features)
        self.support = _SetConv(cross_features, conv_features)

    def forward(self, target: Tensor, support: Tensor) -> tuple[Tensor, Tensor]:
        """Exchange features.

        Parameters
        ----------
        target
            Query's maps, (B, 1, C, H, W).
        support
            Support maps, (B, S, C', H, W); batch size 1 means shared by all queries.

        Returns
        -------
        tuple of Tensor
            New maps, (B, 1, conv_features, H, W) and (B, S, conv_features, H, W).
        """
        pairs = self.cross(target, support)
        return self.target(pairs.mean(2)), self.support(pairs.squeeze(1))

    def target_only(self, target: Tensor, support_mean: Tensor) -> Tensor:
        """Give only the query's new maps, from the mean support map (B, 1, C', H, W).

        Equal to the first output of `forward` without a non-linearity after the cross convolution,
        because the mean of the pairs is then the pair with the mean.
        """
        return self.target(self.cross(target, support_mean).squeeze(2))


def init_convolution(conv: nn.Conv2d, gain_for: str) -> None:
    """Draw weights as UniverSeg does: Kaiming normal over the fan-in, biases zero."""
    nn.init.kaiming_normal_(conv.weight, nonlinearity=gain_for)  # type: ignore[arg-type]
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
