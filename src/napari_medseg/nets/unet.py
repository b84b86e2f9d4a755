"""U-Net with batch normalisation, the plain encoder-decoder that SelfReg-UNet trains.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015;
Zhu et al., "SelfReg-UNet: Self-Regularized UNet for Medical Image Segmentation", MICCAI 2024.
The module names are those of SelfReg-UNet's published state dicts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_medseg.nets.feature_taps import TapNames


class DoubleConv(nn.Module):
    """Twice a 3×3 convolution, batch normalisation and ReLU."""

    def __init__(self, in_channels: int, out_channels: int, mid_channels: int | None = None):
        super().__init__()
        mid_channels = mid_channels or out_channels
        self.double_conv = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(mid_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, out_channels, H, W) for (B, in_channels, H, W)."""
        out: Tensor = self.double_conv(x)
        return out


class Down(nn.Module):
    """Halve the resolution, then a `DoubleConv`."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Give (B, out_channels, H // 2, W // 2) for (B, in_channels, H, W)."""
        out: Tensor = self.maxpool_conv(x)
        return out


class Up(nn.Module):
    """Double the resolution, join the skip connection, then a `DoubleConv`."""

    def __init__(self, in_channels: int, out_channels: int, bilinear: bool):
        super().__init__()
        half = in_channels // 2
        self.up: nn.Module
        if bilinear:
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
            self.conv = DoubleConv(in_channels, out_channels, half)
        else:
            self.up = nn.ConvTranspose2d(in_channels, half, 2, stride=2)
            self.conv = DoubleConv(in_channels, out_channels)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Give feature maps of the skip connection's size."""
        x = self.up(x)
        rows, columns = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
        if rows or columns:  # a side that was odd lost a pixel in the pooling
            x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        out: Tensor = self.conv(torch.cat([skip, x], dim=1))
        return out


class OutConv(nn.Module):
    """The 1×1 classifier."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits (B, out_channels, H, W)."""
        out: Tensor = self.conv(x)
        return out


class UNet(nn.Module):
    """U-Net of SelfReg-UNet: five levels with batch normalisation.

    Parameters
    ----------
    in_channels : int
        Channels of the image.
    n_classes : int
        Channels of the logits, background included.
    bilinear : bool
        Up-sample by bilinear interpolation (17.3 million parameters at one channel and nine
        classes) or by transposed convolutions (31.0 million).
    width : int
        Channels of the first level, even; each further level has twice as many.

    Raises
    ------
    ValueError
        If the width is odd or not positive.

    Notes
    -----
    Any image size from 16×16 on is taken; a side that is no multiple of 16 is padded at the skip
    connections as the published net does. `taps` names the features that SelfReg-UNet
    regularises (`tap_features`).
    """

    taps = TapNames(
        encoder=("down1", "down2", "down3", "down4"),
        decoder=("up1", "up2", "up3"),
        final="up4",
    )

    def __init__(self, in_channels: int, n_classes: int, bilinear: bool = True, width: int = 64):
        super().__init__()
        if width < 2 or width % 2:
            raise ValueError(f"The width of UNet is an even number of channels, not {width}.")
        self.in_channels = in_channels
        self.n_classes = n_classes
        self.bilinear = bilinear
        shrink = 2 if bilinear else 1
        self.inc = DoubleConv(in_channels, width)
        self.down1 = Down(width, 2 * width)
        self.down2 = Down(2 * width, 4 * width)
        self.down3 = Down(4 * width, 8 * width)
        self.down4 = Down(8 * width, 16 * width // shrink)
        self.up1 = Up(16 * width, 8 * width // shrink, bilinear)
        self.up2 = Up(8 * width, 4 * width // shrink, bilinear)
        self.up3 = Up(4 * width, 2 * width // shrink, bilinear)
        self.up4 = Up(2 * width, width, bilinear)
        self.outc = OutConv(width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor, shape (B, in_channels, H, W)
            Images; H and W at least 16.

        Returns
        -------
        Tensor, shape (B, n_classes, H, W)
            Logits, before the softmax.

        Raises
        ------
        ValueError
            If the channels do not fit or the image is too small.
        """
        self._check(x)
        x1 = self.inc(x)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up1(self.down4(x4), x4)
        x = self.up2(x, x3)
        x = self.up3(x, x2)
        logits: Tensor = self.outc(self.up4(x, x1))
        return logits

    def _check(self, x: Tensor) -> None:
        if x.dim() != 4 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"this U-Net takes images of shape (batch, {self.in_channels}, height, width), "
                f"not {tuple(x.shape)}"
            )
        if min(x.shape[-2:]) < 16:
            raise ValueError(
                f"an image of {x.shape[-2]}×{x.shape[-1]} pixels is too small for a U-Net; "
                "both sides need 16 pixels or more"
            )
