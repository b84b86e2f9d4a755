"""The layers that every part of ConDSeg is made of.

Lei et al., "ConDSeg: A General Medical Image Segmentation Framework via Contrast-Driven Feature
Enhancement", AAAI 2025.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def upsample(x: Tensor, factor: int) -> Tensor:
    """Enlarge maps (B, C, H, W) by bilinear interpolation, corners aligned as ConDSeg has it."""
    if factor == 1:
        return x
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=True)


class ConvNormReLU(nn.Module):
    """Convolution without bias, batch normalisation, and ReLU unless `act` is false.

    The padding keeps the size of the maps.
    """

    def __init__(
        self,
        in_c: int,
        out_c: int,
        kernel_size: int = 3,
        *,
        padding: int | None = None,
        dilation: int = 1,
        act: bool = True,
    ) -> None:
        super().__init__()
        if padding is None:
            padding = dilation * (kernel_size // 2)
        self.conv = nn.Sequential(
            nn.Conv2d(in_c, out_c, kernel_size, padding=padding, dilation=dilation, bias=False),
            nn.BatchNorm2d(out_c),
        )
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_c, H, W) to (B, out_c, H, W)."""
        out: Tensor = self.conv(x)
        return F.relu(out, inplace=True) if self.act else out


class ChannelAttention(nn.Module):
    """Scale each channel by a weight found from its mean and its maximum.

    The published class takes a reduction ratio and ignores it: it is always 16.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        mean, largest = F.adaptive_avg_pool2d(x, 1), F.adaptive_max_pool2d(x, 1)
        score = self.fc2(F.relu(self.fc1(mean))) + self.fc2(F.relu(self.fc1(largest)))
        return x * score.sigmoid()


class SpatialAttention(nn.Module):
    """Scale each pixel by a weight found from the mean and the maximum over its channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        score = self.conv1(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], 1))
        return x * score.sigmoid()


class DilatedConv(nn.Module):
    """Gather context at four dilations, weigh it, and add a projection of the input.

    It brings every level of the encoder to the same number of channels.
    """

    def __init__(self, in_c: int, out_c: int) -> None:
        super().__init__()
        self.c1 = nn.Sequential(ConvNormReLU(in_c, out_c, 1), ChannelAttention(out_c))
        self.c2, self.c3, self.c4 = (
            nn.Sequential(ConvNormReLU(in_c, out_c, dilation=dilation), ChannelAttention(out_c))
            for dilation in (6, 12, 18)
        )
        self.c5 = ConvNormReLU(4 * out_c, out_c, act=False)
        self.c6 = ConvNormReLU(in_c, out_c, 1, act=False)
        self.sa = SpatialAttention()

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_c, H, W) to (B, out_c, H, W)."""
        context = self.c5(torch.cat([self.c1(x), self.c2(x), self.c3(x), self.c4(x)], 1))
        out: Tensor = self.sa(F.relu(context + self.c6(x)))
        return out
