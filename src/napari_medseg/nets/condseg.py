"""ConDSeg, segmentation by contrast between foreground and background, and its first stage.

Lei et al., "ConDSeg: A General Medical Image Segmentation Framework via Contrast-Driven Feature
Enhancement", AAAI 2025. The encoder is trained alone first (`ConDSegStage1`), then the whole net.

Input as published: floating-point images of values 0 to 1 **in BGR order**, without subtracting
ImageNet's mean, although the backbones were trained on normalised RGB images.
"""

from __future__ import annotations

import torch
from torch import Tensor

from napari_medseg.nets.cdfa import ContrastDrivenFeatureAggregation
from napari_medseg.nets.condseg_blocks import DilatedConv, upsample
from napari_medseg.nets.condseg_encoder import Backbone, ConDSegEncoder
from napari_medseg.nets.condseg_parts import (
    AuxiliaryHead,
    GuidancePreprocess,
    OutputBlock,
    SemanticInformationDecoupling,
    SizeAwareDecoder,
    StageOneHead,
)

_HEADS = 4
_AUXILIARY_WIDTHS = {
    "resnet50": (256, 256, 128, 64, 64),
    "pvt_v2_b2": (128, 128, 128, 64, 64, 32),
}
_SMALL_AUXILIARY_WIDTHS = (128, 128, 64, 64, 64)


class ConDSeg(ConDSegEncoder):
    """The whole net: a mask, and the maps of foreground, background and uncertainty.

    Its state dict is the published one with `backbone="resnet50"` and `"pvt_v2_b2"`. With
    ResNet-18 and 34, which were not published, the decoupling and the auxiliary head are narrower
    in proportion to the encoder.

    Parameters
    ----------
    backbone
        "resnet50", "pvt_v2_b2", "resnet34" or "resnet18".
    width
        Channels of every level behind the encoder, a multiple of 16; 128 is published.

    Raises
    ------
    ValueError
        If the backbone or the width is not one of these.

    Notes
    -----
    `forward` gives probabilities as published; the published loss applies a second sigmoid to
    them. `mask_logits` gives the mask alone before the sigmoid, at 82 % of the arithmetic: the
    uncertainty and the auxiliary head have no influence on it. Use it in evaluation, on a copy
    made by `napari_medseg.nets.inference.inference_copy` for speed.
    """

    def __init__(self, backbone: Backbone = "resnet50", width: int = 128) -> None:
        super().__init__(backbone)
        if width < 16 or width % 16:
            raise ValueError(f"The width of ConDSeg is a multiple of 16, not {width}.")
        deepest = self.channels[3]
        auxiliary = _AUXILIARY_WIDTHS.get(backbone, _SMALL_AUXILIARY_WIDTHS)
        self.dconv1, self.dconv2, self.dconv3, self.dconv4 = (
            DilatedConv(channels, width) for channels in self.channels
        )
        self.decouple_layer = SemanticInformationDecoupling(deepest, width, deepest // 2)
        for level, factor in ((4, 1), (3, 2), (2, 4), (1, 8)):
            self.add_module(f"preprocess_fg{level}", GuidancePreprocess(width, width, factor))
            self.add_module(f"preprocess_bg{level}", GuidancePreprocess(width, width, factor))
        self.aux_head = AuxiliaryHead(width, auxiliary)
        self.cdfa4 = ContrastDrivenFeatureAggregation(width, width, _HEADS)
        self.cdfa3 = ContrastDrivenFeatureAggregation(2 * width, width, _HEADS)
        self.cdfa2 = ContrastDrivenFeatureAggregation(2 * width, width, _HEADS)
        self.cdfa1 = ContrastDrivenFeatureAggregation(2 * width, width, _HEADS)
        self.decoder_small = SizeAwareDecoder(width, width)
        self.decoder_middle = SizeAwareDecoder(width, width)
        self.decoder_large = SizeAwareDecoder(width, width)
        self.output_block = OutputBlock(width, self.factors[0])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Segment images.

        Parameters
        ----------
        x
            (B, 3, H, W), values 0 to 1, BGR; H and W multiples of 16 (ResNet) or 32 (PVT v2).

        Returns
        -------
        tuple of Tensor
            Probabilities (B, 1, H, W) of the mask, foreground, background and uncertainty.

        Raises
        ------
        ValueError
            If the images have another shape.
        """
        features = self.encode(x)
        fg, bg, uc = self.decouple_layer(features[3])
        mask = self.output_block(*self._decode(features, fg, bg))
        return mask, *self.aux_head(fg, bg, uc)

    def mask_logits(self, x: Tensor) -> Tensor:
        """Give the mask before the sigmoid, (B, 1, H, W), and nothing else.

        Parameters and errors as in `forward`.
        """
        features = self.encode(x)
        fg = self.decouple_layer.cbr_fg(features[3])
        bg = self.decouple_layer.cbr_bg(features[3])
        return self.output_block.logits(*self._decode(features, fg, bg))

    def _decode(
        self, features: list[Tensor], fg: Tensor, bg: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Aggregate from the deepest level up, then decode neighbouring levels in pairs."""
        f4 = self._aggregate(4, self.dconv4(features[3]), fg, bg)
        f3 = self._aggregate(3, _join(self.dconv3(features[2]), f4), fg, bg)
        f2 = self._aggregate(2, _join(self.dconv2(features[1]), f3), fg, bg)
        f1 = self._aggregate(1, _join(self.dconv1(features[0]), f2), fg, bg)
        small = self.decoder_small(f2, f1)
        middle = self.decoder_middle(f3, f2)
        large = self.decoder_large(f4, f3)
        return small, middle, large

    def _aggregate(self, level: int, x: Tensor, fg: Tensor, bg: Tensor) -> Tensor:
        fg = self.get_submodule(f"preprocess_fg{level}")(fg)
        bg = self.get_submodule(f"preprocess_bg{level}")(bg)
        out: Tensor = self.get_submodule(f"cdfa{level}")(x, fg, bg)
        return out


def _join(fine: Tensor, coarse: Tensor) -> Tensor:
    return torch.cat([fine, upsample(coarse, 2)], 1)


class ConDSegStage1(ConDSegEncoder):
    """The net of the first stage of training: an encoder with the simplest head.

    Trained with a loss that wants the same mask for differently disturbed images (paper,
    consistency reinforcement); `ConDSeg.load_backbone` takes its encoder over.

    Parameters
    ----------
    backbone
        As of `ConDSeg`; "resnet50" is published.
    """

    def __init__(self, backbone: Backbone = "resnet50") -> None:
        super().__init__(backbone)
        self.head = StageOneHead(self.channels, self.factors)

    def forward(self, x: Tensor) -> Tensor:
        """Give the mask's probabilities (B, 1, H, W); parameters and errors as of `ConDSeg`."""
        out: Tensor = self.head(*self.encode(x))
        return out

    def mask_logits(self, x: Tensor) -> Tensor:
        """Give the mask before the sigmoid, (B, 1, H, W)."""
        return self.head.logits(*self.encode(x))
