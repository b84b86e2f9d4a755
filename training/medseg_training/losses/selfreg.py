"""The self-regularisation of SelfReg-UNet: two losses on a net's own features.

Zhu et al., "SelfReg-UNet: Self-Regularized UNet for Medical Image Segmentation", MICCAI 2024,
section 2. They cost nothing at inference and fit any encoder-decoder through feature taps
(`napari_medseg.nets.feature_taps`).
"""

from __future__ import annotations

import math
import random
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from napari_medseg.nets.feature_taps import Features

Variant = Literal["published", "corrected"]
Channels = tuple[list[int], list[int]]


def semantic_consistency(student: Tensor, teacher: Tensor, channels: Channels) -> Tensor:
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
        Mean squared difference, a scalar. The larger map is averaged down to the smaller, height
        and width each for itself, so that maps need not be square.
    """
    pulled, target = _of_one_size(student, _Teacher(teacher))
    return F.mse_loss(_chosen(pulled, channels[0]), _chosen(target, channels[1]))


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
        # The published arithmetic: ranks of nearly equal channels depend on its rounding.
        unit = F.normalize(features.flatten(2), dim=2)
        order = unit.mean(dim=(0, 2)).argsort(descending=True)
    distance: Tensor = _PairDistance.apply(features, order[:half], order[-half:])
    return distance


class _PairDistance(torch.autograd.Function):
    """Mean squared difference of pairs of channels.

    Autograd would copy both halves and scatter into two full maps; here the difference is formed
    once and its gradient written once.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, first: Tensor, second: Tensor) -> Tensor:
        difference = features.index_select(1, first).sub_(features.index_select(1, second))
        ctx.save_for_backward(difference, first, second)
        ctx.shape = features.shape
        # Squares of half precision overflow; wider numbers stay as they are.
        wide = torch.promote_types(difference.dtype, torch.float32)
        return difference.to(wide).square().mean()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        difference, first, second = ctx.saved_tensors
        slope = difference * (2 * gradients[0] / difference.numel())
        spread = slope.new_zeros(ctx.shape)
        spread.index_copy_(1, first, slope)
        spread.index_copy_(1, second, slope.neg_())
        return spread, None, None


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
    variant : {"published", "corrected"}
        ``"published"`` pairs channels at random, anew for each stage and step, so that each channel
        of a stage is drawn towards the average of all final ones. ``"corrected"`` pairs them in
        order, always alike, evenly spaced where one side has more.

    Notes
    -----
    A stage with several feature maps (SwinUNet) counts with its last and with its first, one with
    a single map (UNet) once, as published. Tokens (B, L, C) of a square grid are taken as maps.
    The final features are averaged down once for each size that a stage has.
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
        """Give the weighted loss of one forward pass, a scalar; see `terms`."""
        return torch.stack(list(self.terms(features).values())).sum()

    def terms(self, features: Features) -> dict[str, Tensor]:
        """Give the weighted terms "consistency" and "distillation" of one forward pass.

        Parameters
        ----------
        features : Features
            What `tap_features` collected.

        Raises
        ------
        ValueError
            If the net has not run inside the taps, or its features are neither maps nor tokens of
            a square grid.
        """
        if features.final is None:
            raise ValueError("run the net inside tap_features before its features are regularised")
        teacher = _Teacher(_as_map(features.final))
        several = any(len(stage) > 1 for stage in features.encoder + features.decoder)
        none = teacher.whole.new_zeros(())
        terms: dict[str, list[Tensor]] = {"consistency": [], "distillation": []}
        for which in (-1, 0) if several else (0,):
            encoder = [_as_map(stage[which]) for stage in features.encoder]
            decoder = [_as_map(stage[which]) for stage in features.decoder]
            if self.distillation:
                terms["distillation"] += [
                    _mean([internal_distillation(maps) for maps in group], none)
                    for group in (encoder, decoder)
                ]
            if self.consistency:
                pulled = [self._pull(maps, teacher) for maps in decoder + encoder]
                terms["consistency"].append(_mean(pulled, none))
        weights = {"consistency": self.consistency, "distillation": self.distillation}
        return {name: weights[name] * sum(values, none) for name, values in terms.items()}

    def _pull(self, student: Tensor, teacher: _Teacher) -> Tensor:
        pulled, target = _of_one_size(student, teacher)
        count = min(pulled.shape[1], target.shape[1])
        if self.variant == "corrected":
            return F.mse_loss(_spaced(pulled, count), _spaced(target, count))
        drawn = [self._random.sample(range(maps.shape[1]), count) for maps in (pulled, target)]
        return semantic_consistency(pulled, target, (drawn[0], drawn[1]))


class _Teacher:
    """The final features, without gradient, averaged down once for each size asked for."""

    def __init__(self, whole: Tensor) -> None:
        self.whole = whole.detach()
        self._smaller: dict[tuple[int, int], Tensor] = {}

    def at(self, size: tuple[int, int]) -> Tensor:
        height, width = self.whole.shape[2:]
        if size == (height, width):
            return self.whole
        if size not in self._smaller:
            self._smaller[size] = F.adaptive_avg_pool2d(self._source(size), size)
        return self._smaller[size]

    def _source(self, size: tuple[int, int]) -> Tensor:
        """Give the smallest map whose averages of averages are the averages wanted."""
        fitting = [
            maps
            for (height, width), maps in self._smaller.items()
            if height % size[0] == 0 and width % size[1] == 0 and self._divides(height, width)
        ]
        return min(fitting, key=lambda maps: maps.shape[2], default=self.whole)

    def _divides(self, height: int, width: int) -> bool:
        return self.whole.shape[2] % height == 0 and self.whole.shape[3] % width == 0


def _of_one_size(student: Tensor, teacher: _Teacher) -> tuple[Tensor, Tensor]:
    """Average the larger of two maps down to the smaller."""
    height, width = (
        min(sides) for sides in zip(student.shape[2:], teacher.whole.shape[2:], strict=True)
    )
    small = (int(height), int(width))
    if tuple(student.shape[2:]) != small:
        student = F.adaptive_avg_pool2d(student, small)
    return student, teacher.at(small)


def _chosen(maps: Tensor, channels: list[int]) -> Tensor:
    return maps.index_select(1, torch.tensor(channels, device=maps.device))


def _spaced(maps: Tensor, count: int) -> Tensor:
    """Give so many channels, evenly spaced, of a whole multiple without a copy."""
    step, rest = divmod(maps.shape[1], count)
    if rest == 0:
        return maps[:, ::step]
    places = torch.arange(count, device=maps.device) * maps.shape[1] // count
    return maps.index_select(1, places)


def _as_map(features: Tensor) -> Tensor:
    """View tokens (B, L, C) of a square grid as a map (B, C, h, w); maps stay as they are."""
    if features.dim() == 4:
        return features
    side = math.isqrt(features.shape[1]) if features.dim() == 3 else 0
    if side == 0 or side * side != features.shape[1]:
        raise ValueError(
            "only feature maps (batch, channels, height, width) and tokens of a square grid can be "
            f"regularised, not a tensor of shape {tuple(features.shape)}: tap other modules"
        )
    return features.transpose(1, 2).unflatten(2, (side, side))


def _mean(losses: list[Tensor], like: Tensor) -> Tensor:
    """Give the mean, 0 for a net without such stages."""
    return torch.stack(losses).mean() if losses else like
