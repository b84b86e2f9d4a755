"""UniverSeg, the in-context segmentation network.

Butoi, Gonzalez Ortiz et al., "UniverSeg: Universal Medical Image Segmentation", ICCV 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Width = int | tuple[int, int]


class CrossConv2d(nn.Conv2d):
    """Convolve every pair of two sets of feature maps (paper, section 3.2)."""

    def __init__(self, in_channels, out_channels, kernel_size, **options) -> None:
        self.pair = (in_channels, in_channels) if isinstance(in_channels, int) else tuple(in_channels)
        super().__init__(sum(self.pair), out_channels, kernel_size, **options)


class _ConvLayer(nn.Module):
    def __init__(self, c_in, c_out, k=3):
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, k, padding=k // 2)
        nn.init.zeros_(self.conv.bias)


class _Vmapped(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.vmapped = _ConvLayer(c_in, c_out)
        nn.init.kaiming_normal_(self.vmapped.conv.weight, nonlinearity="relu")


class _Cross(nn.Module):
    def __init__(self, pair, c_out):
        super().__init__()
        self.cross_conv = CrossConv2d(pair, c_out, 3, padding=1)
        nn.init.kaiming_normal_(self.cross_conv.weight, nonlinearity="linear")
        nn.init.zeros_(self.cross_conv.bias)


class CrossBlock(nn.Module):
    """One exchange between the query's and the support's feature maps."""

    def __init__(self, in_channels, cross_features, conv_features=None):
        super().__init__()
        conv_features = conv_features or cross_features
        self.cross = _Cross(in_channels, cross_features)
        self.target = _Vmapped(cross_features, conv_features)
        self.support = _Vmapped(cross_features, conv_features)

    def forward(self, target, support, last=False):
        conv = self.cross.cross_conv
        wt, ws = conv.weight.split(conv.pair, 1)
        b, s = support.shape[:2]
        t = F.conv2d(target, wt, conv.bias, padding=1)
        layer = self.target.vmapped.conv
        if last:
            mean = F.conv2d(support.mean(1), ws, padding=1)
            return F.leaky_relu(layer(t + mean), 0.01), None
        z = F.conv2d(support.flatten(0, 1), ws, padding=1).unflatten(0, (b, s))
        out = F.leaky_relu(layer(t + z.mean(1)), 0.01)
        z = z + t[:, None]
        layer = self.support.vmapped.conv
        z = F.leaky_relu(layer(z.flatten(0, 1)), 0.01).unflatten(0, (b, s))
        return out, z


def _pair(w: Width):
    return (w, w) if isinstance(w, int) else tuple(w)


def _pool(x):
    return F.max_pool2d(x.flatten(0, -4), 2).unflatten(0, x.shape[:-3]) if x.dim() == 5 else F.max_pool2d(x, 2)


def _up(x):
    y = x.flatten(0, 1) if x.dim() == 5 else x
    y = F.interpolate(y, scale_factor=2, mode="bilinear", align_corners=True)
    return y.unflatten(0, x.shape[:2]) if x.dim() == 5 else y


class UniverSeg(nn.Module):
    """The in-context segmentation network."""

    def __init__(self, encoder_blocks: Sequence[Width] = (64, 64, 64, 64), decoder_blocks=None):
        super().__init__()
        enc = [_pair(w) for w in encoder_blocks]
        dec = [_pair(w) for w in decoder_blocks] if decoder_blocks is not None else enc[-2::-1]
        pair, skips = (1, 2), []
        self.enc_blocks = nn.ModuleList()
        for cross, conv in enc:
            self.enc_blocks.append(CrossBlock(pair, cross, conv))
            pair = (conv, conv)
            skips.append(conv)
        skips.pop()
        self.dec_blocks = nn.ModuleList()
        width = enc[-1][1]
        for cross, conv in dec:
            c = width + skips.pop()
            self.dec_blocks.append(CrossBlock((c, c), cross, conv))
            width = conv
        self.out_conv = _ConvLayer(width, 1, 1)
        nn.init.kaiming_normal_(self.out_conv.conv.weight, nonlinearity="linear")

    def forward(self, target: Tensor, support_images: Tensor, support_labels: Tensor) -> Tensor:
        """Logits (B, 1, H, W)."""
        t, s = target, torch.cat([support_images, support_labels], 2)
        skips = []
        for i, block in enumerate(self.enc_blocks):
            t, s = block(t, s)
            if i < len(self.enc_blocks) - 1:
                skips.append((t, s))
                t, s = _pool(t), _pool(s)
        for i, block in enumerate(self.dec_blocks):
            st, ss = skips.pop()
            last = i == len(self.dec_blocks) - 1
            t, s = torch.cat([_up(t), st], 1), torch.cat([_up(s), ss], 2)
            t, s = block(t, s, last=last)
        return self.out_conv.conv(t)
