"""SwinUNet, the transformer encoder-decoder that SelfReg-UNet trains.

Cao et al., "Swin-Unet: Unet-like Pure Transformer for Medical Image Segmentation", ECCV Workshops
2022; Zhu et al., "SelfReg-UNet: Self-Regularized UNet for Medical Image Segmentation", MICCAI
2024. The module names are those of the published state dicts without their prefix ``swin_unet.``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from napari_medseg.nets.feature_taps import TapNames
from napari_medseg.nets.swin_blocks import (
    PatchEmbed,
    PatchExpand,
    PatchMerging,
    SwinBlock,
    init_weights,
)
from napari_medseg.nets.token_linear import TokenLinear

HEAD = 32
"""Channels of an attention head."""
STRIDE = 32
"""Pixels of the image along a side of a token of the last stage."""


class SwinStage(nn.Module):
    """The transformer blocks at one resolution, and the layer that leaves it."""

    def __init__(
        self, channels: int, grid: int, window: int, drop_path: Sequence[float], leave: str = ""
    ):
        super().__init__()
        heads = channels // HEAD
        # Windows that fill the whole map have no neighbours to exchange with.
        self.blocks = nn.ModuleList(
            SwinBlock(channels, heads, grid, window, bool(i % 2) and grid > window, probability)
            for i, probability in enumerate(drop_path)
        )
        self.downsample = PatchMerging(channels) if leave == "down" else None
        self.upsample = PatchExpand(channels, channels // 2, 2) if leave == "up" else None

    def forward(self, x: Tensor) -> Tensor:
        """Give the maps that leave the stage, for (B, C, grid, grid)."""
        for block in self.blocks:
            x = block(x)
        leave = self.downsample or self.upsample
        return x if leave is None else leave(x)


class SwinUNet(nn.Module):
    """Swin-Unet: a Swin-T encoder and its mirror image as decoder, with skip connections.

    Parameters
    ----------
    n_classes : int
        Channels of the logits, background included.
    image_size : int
        Side of the square images, a multiple of 32. The windows have ``window_size(image_size)``
        tokens a side, 7 as published where 7 divides ``image_size / 32`` (224, 448, 672).
    depths : sequence of 4 int
        Blocks of each encoder stage; the decoder mirrors them.
    drop_path : float
        Largest probability of stochastic depth; it grows linearly along the encoder, and the
        decoder's stages repeat the values of the encoder's.
    channels : int
        Channels of the first stage, a multiple of 32; each further stage doubles them.

    Notes
    -----
    With one encoder of depths (2, 2, 2, 2) and 9 classes it has 27.2 million parameters. A state
    dict of another image size fits after `fit_positions`. `taps` names the features that
    SelfReg-UNet regularises (`tap_features`).

    Raises
    ------
    ValueError
        If the image size or the channels are no multiple of 32, or there are not four depths.
    """

    def __init__(
        self,
        n_classes: int,
        image_size: int = 224,
        depths: Sequence[int] = (2, 2, 2, 2),
        drop_path: float = 0.2,
        channels: int = 96,
    ):
        super().__init__()
        if len(depths) != 4 or min(depths) < 1:
            raise ValueError(f"SwinUNet needs four depths of at least 1, not {tuple(depths)}")
        if channels < HEAD or channels % HEAD:
            raise ValueError(f"SwinUNet needs a multiple of {HEAD} channels, not {channels}")
        self.n_classes = n_classes
        self.image_size = image_size
        window = window_size(image_size)
        widths = [channels * 2**level for level in range(4)]
        grids = [image_size // 4 // 2**level for level in range(4)]
        rates = [
            list(part) for part in torch.linspace(0, drop_path, sum(depths)).split(list(depths))
        ]
        probabilities = [[float(rate) for rate in part] for part in rates]

        def stage(level: int, leave: str = "") -> SwinStage:
            return SwinStage(widths[level], grids[level], window, probabilities[level], leave)

        self.patch_embed = PatchEmbed(3, channels)
        self.layers = nn.ModuleList(
            [stage(0, "down"), stage(1, "down"), stage(2, "down"), stage(3)]
        )
        self.layers_up = nn.ModuleList(
            [PatchExpand(widths[3], widths[2], 2), stage(2, "up"), stage(1, "up"), stage(0)]
        )
        self.concat_back_dim = nn.ModuleList(
            [nn.Identity(), *(TokenLinear(2 * c, c) for c in reversed(widths[:3]))]
        )
        self.norm = nn.LayerNorm(widths[3])
        self.norm_up = nn.LayerNorm(channels)
        self.up = PatchExpand(channels, channels, 4)
        self.output = nn.Conv2d(channels, n_classes, 1, bias=False)
        self.taps = TapNames(
            encoder=tuple(_block_names(f"layers.{i}", depths[i]) for i in range(4)),
            decoder=tuple(_block_names(f"layers_up.{3 - i}", depths[i]) for i in (2, 1, 0)),
            final="up",
        )
        self.apply(init_weights)

    def forward(self, x: Tensor) -> Tensor:
        """Give the logits of every class.

        Parameters
        ----------
        x : Tensor, shape (B, 3, image_size, image_size) or (B, 1, image_size, image_size)
            Images; a single channel is repeated to three, as published.

        Returns
        -------
        Tensor, shape (B, n_classes, image_size, image_size)
            Logits, before the softmax.

        Raises
        ------
        ValueError
            If the images have another size or number of channels.
        """
        self._check(x)
        x = self.patch_embed(x.expand(-1, 3, -1, -1))
        skips = []
        for layer in self.layers:
            skips.append(x)
            x = layer(x)
        x = _normalise(self.norm, x)
        for i, layer in enumerate(self.layers_up):
            if i > 0:
                joined = torch.cat([x, skips[3 - i]], dim=1)
                x = self.concat_back_dim[i](joined.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            x = layer(x)
        return self._classify(_normalise(self.norm_up, x))

    def _classify(self, x: Tensor) -> Tensor:
        """Give the logits of feature maps at a quarter of the resolution.

        The final features, the largest tensor of the net, are formed only where somebody listens
        to them.
        """
        if self.up._forward_hooks:
            listened: Tensor = self.output(self.up(x))
            return listened
        return self.up.classified(x, self.output.weight.flatten(1))

    def _check(self, x: Tensor) -> None:
        size = self.image_size
        if x.dim() != 4 or x.shape[1] not in (1, 3) or x.shape[2:] != (size, size):
            raise ValueError(
                f"this SwinUNet takes images of shape (batch, 1 or 3, {size}, {size}), "
                f"not {tuple(x.shape)}; resize the images, or make a net for their size"
            )


def window_size(image_size: int) -> int:
    """Give the side of the attention windows, in tokens, that suits an image size.

    It is the divisor of ``image_size / 32`` nearest to the published 7, at least 4 (the larger of
    two), or all of it where there is none: 224 and 448 have 7, 256 and 512 have 8, 384 has 6.

    Raises
    ------
    ValueError
        If the size is no positive multiple of 32.
    """
    if image_size < STRIDE or image_size % STRIDE:
        raise ValueError(
            f"SwinUNet needs an image size that is a multiple of {STRIDE}, not {image_size}"
        )
    grid = image_size // STRIDE
    divisors = [d for d in range(4, grid + 1) if grid % d == 0]
    return min(divisors, key=lambda d: (abs(d - 7), -d), default=grid)


def _block_names(stage: str, depth: int) -> tuple[str, ...]:
    return tuple(f"{stage}.blocks.{i}" for i in range(depth))


def _normalise(norm: nn.Module, x: Tensor) -> Tensor:
    """Apply a layer norm over the channels of (B, C, h, w)."""
    out: Tensor = norm(x.permute(0, 2, 3, 1))
    return out.permute(0, 3, 1, 2)
