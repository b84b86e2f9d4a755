"""Dice and cross-entropy on a net's logits, alone or with its features regularised (SelfReg)."""

from __future__ import annotations

from torch import Tensor, nn

from medseg_training.losses.dice_ce import dice_cross_entropy
from medseg_training.losses.selfreg import SelfRegularization
from medseg_training.methods.segmentation import (
    IGNORED,
    SegmentationMethod,
    SegmentationTask,
    logits_of,
)
from medseg_training.schema import LossOptions
from napari_medseg.nets.feature_taps import TapNames, tap_features


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

    def supervised(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Give Dice and cross-entropy, weighed."""
        return dice_cross_entropy(
            logits.float(),
            labels,
            dice=self.loss.dice,
            cross_entropy=self.loss.cross_entropy,
            ignored=IGNORED,
        )

    def terms(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Give the supervised loss."""
        x, labels = batch
        return {"segmentation": self.supervised(logits_of(self.net, x), labels)}


class SelfRegularized(Supervised):
    """The plain loss and the two terms of SelfReg-UNet on the net's own features.

    Parameters
    ----------
    net, task, loss, parts
        As of `Supervised`.
    regularization
        The terms with their weights.
    taps
        Where to listen; None where the net names its own.
    """

    def __init__(
        self,
        net: nn.Module,
        task: SegmentationTask,
        loss: LossOptions,
        regularization: SelfRegularization,
        taps: TapNames | None = None,
        parts: int = 1,
    ) -> None:
        super().__init__(net, task, loss, parts)
        self.regularization, self.taps = regularization, taps

    def start_step(self, step: int) -> None:
        """Seed the random pairs of channels from the step, so that a resumed run draws them too."""
        self.regularization.reseed(step)

    def terms(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Give the supervised loss and the weighed terms of self-regularisation."""
        x, labels = batch
        with tap_features(self.net, self.taps) as features:
            logits = logits_of(self.net, x)
        terms = {"segmentation": self.supervised(logits, labels)}
        return terms | self.regularization.parts(features)
