"""Dice and cross-entropy on a net's logits."""

from __future__ import annotations

from torch import Tensor, nn

from medseg_training.losses.boundary import BoundaryRefinement
from medseg_training.losses.dice_ce import IGNORED, dice_cross_entropy
from medseg_training.methods.segmentation import (
    SegmentationMethod,
    SegmentationTask,
    full_precision,
)
from medseg_training.schema import LossOptions
from napari_medseg.nets.inference import checked_logits


class Supervised(SegmentationMethod):
    """The plain way: logits against labels.

    Parameters
    ----------
    net, task, parts
        See `SegmentationMethod`; the task's output goes through a softmax.
    loss
        The weights of the terms.
    """

    def __init__(
        self, net: nn.Module, task: SegmentationTask, loss: LossOptions, parts: int = 1
    ) -> None:
        super().__init__(net, task, parts)
        self.loss = loss
        self._boundary = BoundaryRefinement()

    def supervised(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Give Dice and cross-entropy, weighed."""
        return dice_cross_entropy(
            full_precision(logits),
            labels,
            dice=self.loss.dice,
            cross_entropy=self.loss.cross_entropy,
            ignored=IGNORED,
        )

    def losses(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Give the supervised loss, and the boundary term where it has a weight."""
        x, labels = batch
        logits = checked_logits(self.net, x, self.task.output.channels)
        terms = {"segmentation": self.supervised(logits, labels)}
        if self.loss.boundary:
            terms["boundary"] = self.loss.boundary * self._boundary(full_precision(logits))
        return terms
