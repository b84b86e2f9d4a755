"""The parts that ConDSeg joins: decoupling, auxiliary head, guidance, decoders, outputs.

Lei et al., "ConDSeg: A General Medical Image Segmentation Framework via Contrast-Driven Feature
Enhancement", AAAI 2025: semantic information decoupling (SID) and size-aware decoder (SA-Decoder).
Names of submodules are those of the published state dicts.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_medseg.nets.condseg_blocks import (
    ChannelAttention,
    ConvNormReLU,
    SpatialAttention,
    upsample,
)


def _doubling() -> nn.Upsample:
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)


class SemanticInformationDecoupling(nn.Module):
    """Split the deepest features into foreground, background and uncertainty (paper, SID).

    Parameters
    ----------
    in_c, out_c
        Channels of the features and of each of the three outputs.
    middle_c
        Channels between; 512 with the published ResNet-50, 256 with PVT v2.
    """

    def __init__(self, in_c: int, out_c: int, middle_c: int = 512) -> None:
        super().__init__()
        self.cbr_fg, self.cbr_bg, self.cbr_uc = (
            nn.Sequential(
                ConvNormReLU(in_c, middle_c),
                ConvNormReLU(middle_c, out_c),
                ConvNormReLU(out_c, out_c, 1),
            )
            for _ in range(3)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map (B, in_c, H, W) to foreground, background, uncertain: three (B, out_c, H, W)."""
        return self.cbr_fg(x), self.cbr_bg(x), self.cbr_uc(x)


class AuxiliaryHead(nn.Module):
    """Predict a map from each of the decoupled features, to supervise the decoupling.

    Parameters
    ----------
    in_c
        Channels of each feature map.
    widths
        Channels after each convolution; all but the first and the last are doubled in size before.
        The published ResNet-50 has five, PVT v2 six.
    """

    def __init__(self, in_c: int, widths: Sequence[int] = (256, 256, 128, 64, 64)) -> None:
        super().__init__()
        self.branch_fg, self.branch_bg, self.branch_uc = (
            self._branch(in_c, widths) for _ in range(3)
        )

    @staticmethod
    def _branch(in_c: int, widths: Sequence[int]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for width in widths:
            if layers:
                layers.append(_doubling())
            layers.append(ConvNormReLU(in_c, width))
            in_c = width
        return nn.Sequential(*layers, nn.Conv2d(in_c, 1, 1), nn.Sigmoid())

    def forward(self, fg: Tensor, bg: Tensor, uc: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give probabilities (B, 1, H * 2^n, W * 2^n) of the three, n = len(widths) - 1."""
        return self.branch_fg(fg), self.branch_bg(bg), self.branch_uc(uc)


class GuidancePreprocess(nn.Module):
    """Bring decoupled features to the size at which they guide an aggregation.

    Parameters
    ----------
    in_c, out_c
        Channels before and after.
    up_factor
        Enlargement, a power of two.
    """

    def __init__(self, in_c: int, out_c: int, up_factor: int) -> None:
        super().__init__()
        # `preprocess` comes first in the published state dict although `c1` is applied first.
        n_doublings = up_factor.bit_length() - 1
        self.preprocess = nn.Sequential()
        for step in range(n_doublings):
            self.preprocess.add_module(f"up_{step}", _doubling())
            self.preprocess.add_module(f"conv_{step}", ConvNormReLU(out_c, out_c))
        self.c1 = ConvNormReLU(in_c, out_c)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_c, H, W) to (B, out_c, up_factor * H, up_factor * W)."""
        out: Tensor = self.preprocess(self.c1(x))
        return out


class SizeAwareDecoder(nn.Module):
    """Join two neighbouring levels of features (paper, size-aware decoder).

    ConDSeg has three of them. The one called small gets the shallow, finely resolved features,
    the one called large the deep ones.

    Parameters
    ----------
    in_c, out_c
        Channels of the coarse features, and of the skip connection and the output.
    scale
        How many times larger the skip connection is.
    """

    def __init__(self, in_c: int, out_c: int, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale
        self.c1 = ConvNormReLU(in_c + out_c, out_c, 1)
        self.c2 = ConvNormReLU(out_c, out_c, act=False)
        self.c3 = ConvNormReLU(out_c, out_c, act=False)
        self.c4 = ConvNormReLU(out_c, out_c, 1, act=False)
        self.ca = ChannelAttention(out_c)
        self.sa = SpatialAttention()

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Map x (B, in_c, H, W), skip (B, out_c, sH, sW) to (B, out_c, sH, sW), s the scale."""
        s1 = self.c1(torch.cat([upsample(x, self.scale), skip], 1))
        s2 = F.relu(self.c2(s1) + s1)
        s3 = F.relu(self.c3(s2) + s2 + s1)
        s4 = F.relu(self.c4(s3) + s3 + s2 + s1)
        out: Tensor = self.sa(self.ca(s4))
        return out


class OutputBlock(nn.Module):
    """Fuse the three decoders into the mask.

    Parameters
    ----------
    in_c
        Channels of each decoder.
    scale
        Enlargement from the small decoder to the image: 2 with a ResNet, 4 with PVT v2.
    """

    def __init__(self, in_c: int, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale
        self.fuse = ConvNormReLU(3 * in_c, in_c)
        self.c1 = ConvNormReLU(in_c, 128)
        self.c2 = ConvNormReLU(128, 64, 1)
        self.c3 = nn.Conv2d(64, 1, 1)

    def logits(self, small: Tensor, middle: Tensor, large: Tensor) -> Tensor:
        """Give the mask before the sigmoid, (B, 1, scale * H, scale * W).

        Parameters
        ----------
        small, middle, large
            Decoder outputs (B, in_c, H, W), the second half and the third a quarter of that size.
        """
        x = self.fuse(torch.cat([small, upsample(middle, 2), upsample(large, 4)], 1))
        out: Tensor = self.c3(self.c2(self.c1(upsample(x, self.scale))))
        return out

    def forward(self, small: Tensor, middle: Tensor, large: Tensor) -> Tensor:
        """Give the mask's probabilities; parameters as in `logits`."""
        return self.logits(small, middle, large).sigmoid()


class StageOneHead(nn.Module):
    """Predict a mask from all levels of an encoder at once, to train it alone.

    Parameters
    ----------
    channels
        Channels of the four levels.
    factors
        How many times each level is enlarged to reach the size of the mask.
    """

    def __init__(self, channels: Sequence[int], factors: Sequence[int] = (1, 1, 1, 1)) -> None:
        super().__init__()
        self.factors = tuple(factors)
        self.conv1, self.conv2, self.conv3, self.conv4 = (
            ConvNormReLU(width, 64, 1) for width in channels
        )
        self.conv_fuse = nn.Conv2d(4 * 64, 1, 1, bias=False)

    def logits(self, *features: Tensor) -> Tensor:
        """Give the mask before the sigmoid, (B, 1, H, W).

        Parameters
        ----------
        features
            The four levels, (B, channels[i], H / factors[i], W / factors[i]).
        """
        # The published order is to enlarge first. A 1×1 convolution commutes with interpolation,
        # and applied first it leaves 64 channels to enlarge instead of up to 1024. Normalisation
        # stays behind: its batch statistics in training are those of the enlarged maps.
        levels = []
        convs = (self.conv1, self.conv2, self.conv3, self.conv4)
        for block, level, factor in zip(convs, features, self.factors, strict=True):
            convolution, norm = block.conv
            levels.append(F.relu(norm(upsample(convolution(level), factor))))
        out: Tensor = self.conv_fuse(torch.cat(levels, 1))
        return out

    def forward(self, *features: Tensor) -> Tensor:
        """Give the mask's probabilities; parameters as in `logits`."""
        return self.logits(*features).sigmoid()
