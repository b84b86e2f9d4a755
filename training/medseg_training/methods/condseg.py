"""The two stages of ConDSeg: first the encoder learns to be robust, then the whole net.

Lei et al., "ConDSeg: A General Medical Image Segmentation Framework via Contrast-Driven Feature
Enhancement", AAAI 2025.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from medseg_training.losses.condseg import (
    ConsistencyReinforcement,
    SemanticDecouplingLoss,
    batch_dice_bce,
)
from medseg_training.losses.dice_ce import IGNORED
from medseg_training.methods.segmentation import (
    SegmentationMethod,
    SegmentationTask,
    full_precision,
)
from medseg_training.schema import LossOptions

Disturbance = Callable[[Tensor, int], Tensor]
"""Changes the look of images (B, C, H, W) in [0, 1], drawn from a seed."""


class _ConDSegMethod(SegmentationMethod):
    """What both stages share: one class, and the loss of its mask alone for validation."""

    def __init__(
        self, net: nn.Module, task: SegmentationTask, loss: LossOptions, parts: int = 1
    ) -> None:
        if len(task.class_names) != 1:
            raise ValueError(
                f"ConDSeg segments one class, and the data has {len(task.class_names)} "
                f"({', '.join(task.class_names)}): choose one by data.classes, or make them one by "
                "data.merge."
            )
        super().__init__(net, task, parts)
        self.as_published = loss.as_published

    def supervised(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Give Dice and binary cross-entropy of the mask."""
        probabilities = full_precision(logits).sigmoid()
        target, valid = _mask(labels, probabilities)
        return batch_dice_bce(probabilities * valid, target, double_sigmoid=self.as_published)


class ConDSegStageOne(_ConDSegMethod):
    """Consistency reinforcement: two looks of an image shall give one mask (paper, section 3.1).

    Parameters
    ----------
    net, task, loss, parts
        See `SegmentationMethod` and `LossOptions`; the net is a `ConDSegStage1`.
    disturb
        Gives the second look.
    """

    def __init__(
        self,
        net: nn.Module,
        task: SegmentationTask,
        loss: LossOptions,
        disturb: Disturbance,
        parts: int = 1,
    ) -> None:
        super().__init__(net, task, loss, parts)
        self._disturb = disturb
        self._loss = ConsistencyReinforcement(loss.as_published)

    def batch(self, step: int, part: int) -> tuple[Tensor, Tensor, Tensor]:  # type: ignore[override]
        """Give both looks as the net's input, and the labels."""
        number = step * self.parts + part
        drawn = self.task.train.batch(number)
        images = drawn.images.to(self.device, non_blocking=True)
        second = self._disturb(images, number)
        labels = drawn.labels.to(self.device, non_blocking=True).long()
        return self.normalised(images), self.normalised(second), labels

    def losses(self, batch: tuple[Tensor, Tensor, Tensor]) -> dict[str, Tensor]:
        """Give the losses of both looks and of their consistency."""
        first, second, labels = batch
        looks = [full_precision(self.net(x)) for x in (first, second)]
        target, valid = _mask(labels, looks[0])
        with torch.autocast(self.device.type, enabled=False):
            return self._loss.terms(looks[0] * valid, looks[1] * valid, target)


class ConDSegStageTwo(_ConDSegMethod):
    """Mask, foreground, background and uncertainty, decoupled (paper, sections 3.2 and 3.5)."""

    def __init__(
        self, net: nn.Module, task: SegmentationTask, loss: LossOptions, parts: int = 1
    ) -> None:
        super().__init__(net, task, loss, parts)
        self._loss = SemanticDecouplingLoss(loss.as_published)

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Give the losses of the mask, of foreground and background, and of their overlap."""
        x, labels = batch
        mask, fg, bg, uc = (full_precision(p) for p in self.net(x))
        target, valid = _mask(labels, mask)
        maps = mask * valid, fg * valid, bg * valid, uc * valid
        with torch.autocast(self.device.type, enabled=False):
            # The background follows from the augmented target: the two never disagree.
            return self._loss.terms(maps, target, (1 - target) * valid)


def _mask(labels: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Give the mask (B, 1, H, W) and where it counts, both 0 or 1."""
    return (labels == 1)[:, None].to(like.dtype), (labels != IGNORED)[:, None].to(like.dtype)
