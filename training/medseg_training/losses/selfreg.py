"""The self-regularisation of SelfReg-UNet: two losses on a net's own features.

Zhu et al., "SelfReg-UNet: Self-Regularized UNet for Medical Image Segmentation", MICCAI 2024,
section 2. They cost nothing at inference and fit any encoder-decoder through feature taps
(`napari_medseg.nets.feature_taps`).
"""

from __future__ import annotations

import random
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_medseg.nets.feature_taps import Features

Variant = Literal["published", "corrected"]


def semantic_consistency(
    student: Tensor, teacher: Tensor, channels: tuple[list[int], list[int]]
) -> Tensor:
    """Pull a stage's features towards the net's final ones (paper, equation 2).

    Parameters
    ----------
    student : Tensor, shape (B, C, h, w)
        Features of a stage; they get the gradient.
    teacher : Tensor, shape (B, D, H, W)
        Final features; they get none.
    channels : pair of list of int
        Which channels of the student meet which of the teacher.

    Returns
    -------
    Tensor
        Mean squared difference, a scalar. The larger map is averaged down to the smaller.
    """
    (h, w), (height, width) = student.shape[2:], teacher.shape[2:]
    size = (min(h, height), min(w, width))
    pulled, target = (
        maps if maps.shape[2:] == size else F.adaptive_avg_pool2d(maps, size)
        for maps in (student, teacher.detach())
    )
    return F.mse_loss(pulled[:, channels[0]], target[:, channels[1]])


def internal_distillation(features: Tensor) -> Tensor:
    """Draw the weaker half of a feature map's channels and the stronger half together (eq. 3).

    Channels are ranked by their mean over batch and pixels, each image's channel scaled to unit
    length, and each of the upper half is paired with the one as far down in the lower half. Both
    get a gradient, as in the published code. With an odd number the middle channel is left alone.

    Parameters
    ----------
    features : Tensor, shape (B, C, h, w)

    Returns
    -------
    Tensor
        Mean squared difference of the pairs, a scalar; 0 for a single channel.
    """
    half = features.shape[1] // 2
    if half == 0:
        return features.new_zeros(())
    with torch.no_grad():
        unit = F.normalize(features.flatten(2), dim=2)
        order = unit.mean(dim=(0, 2)).argsort(descending=True)
    return F.mse_loss(features[:, order[:half]], features[:, order[-half:]])


class SelfRegularization(nn.Module):
    """Both losses of SelfReg-UNet over all stages of a net (paper, equation 4).

    Parameters
    ----------
    consistency : float
        Weight of the semantic consistency of each stage with the final features.
    distillation : float
        Weight of the internal feature distillation of each stage. The paper found 0.015 best for
        both; the published code uses one number for the two, 0.1 on ACDC.
    seed : int, optional
        Start of the random draws that pair the channels anew for each stage and step.

    Notes
    -----
    A stage with several feature maps (SwinUNet) counts with its last and with its first, one with
    a single map (UNet) once, as published.
    """

    def __init__(
        self,
        consistency: float = 0.015,
        distillation: float = 0.015,
        seed: int | None = None,
        *,
        variant: Variant = "published",
    ) -> None:
        super().__init__()
        self.consistency = consistency
        self.distillation = distillation
        self.variant = variant
        self._seed = seed
        self._random = random.Random(seed)

    def reseed(self, step: int) -> None:
        """Let the draws of a step follow from its number, so that a resumed run repeats them."""
        self._random.seed(f"{self._seed}:{step}")

    def forward(self, features: Features) -> Tensor:
        """Give the weighted loss of one forward pass, a scalar; see `parts`."""
        return torch.stack(list(self.parts(features).values())).sum()

    def parts(self, features: Features) -> dict[str, Tensor]:
        """Give the weighted terms "consistency" and "distillation" of one forward pass.

        Parameters
        ----------
        features : Features
            What `tap_features` collected.

        Raises
        ------
        ValueError
            If the net has not run inside the taps.
        """
        if features.final is None:
            raise ValueError("run the net inside tap_features before its features are regularised")
        several = any(len(stage) > 1 for stage in features.encoder + features.decoder)
        none = features.final.new_zeros(())
        consistency = distillation = none
        for which in (-1, 0) if several else (0,):
            encoder = [stage[which] for stage in features.encoder]
            decoder = [stage[which] for stage in features.decoder]
            for group in (encoder, decoder):
                losses = [internal_distillation(maps) for maps in group]
                distillation = distillation + _mean(losses, none)
            pulled = [self._pull(maps, features.final) for maps in decoder + encoder]
            consistency = consistency + _mean(pulled, none)
        return {
            "consistency": self.consistency * consistency,
            "distillation": self.distillation * distillation,
        }

    def _pull(self, student: Tensor, teacher: Tensor) -> Tensor:
        count = min(student.shape[1], teacher.shape[1])
        drawn = [self._random.sample(range(maps.shape[1]), count) for maps in (student, teacher)]
        return semantic_consistency(student, teacher, (drawn[0], drawn[1]))


def _mean(losses: list[Tensor], like: Tensor) -> Tensor:
    """Give the mean, 0 for a net without such stages."""
    return torch.stack(losses).mean() if losses else like
