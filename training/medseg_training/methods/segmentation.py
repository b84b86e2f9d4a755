"""Fitting a net that segments by itself: what every such method shares."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from medseg_training.data.batches import Batch
from medseg_training.losses.dice_ce import IGNORED
from medseg_training.losses.selfreg import SelfRegularization
from medseg_training.methods.method import Method, Validation
from medseg_training.methods.previews import preview_png
from napari_medseg.nets.feature_taps import TapNames, tap_features
from napari_medseg.nets.inference import checked_logits
from napari_medseg.zoo.specs import InputSpec, OutputSpec


class Batches(Protocol):
    """Where batches come from; the same number gives the same batch."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches in one pass over the data."""

    def batch(self, step: int) -> Batch:
        """Give a batch by its number: images in [0, 1] with the net's channels, and labels."""

    def close(self) -> None:
        """Stop making them."""


@dataclass(frozen=True)
class SegmentationTask:
    """What a segmentation method is given: data, and what net it is for.

    Parameters
    ----------
    train, held_out
        Batches to learn from, augmented; and all batches to measure on, whose names are those of
        cases. Labels are class indices, 0 is the background, 255 counts nowhere.
    class_names
        Without the background.
    input, output
        What the exported model's card will say.
    """

    train: Batches
    held_out: Sequence[Batch]
    class_names: tuple[str, ...]
    input: InputSpec
    output: OutputSpec


class SegmentationMethod(Method):
    """Base of the methods that train on planes with labels.

    Parameters
    ----------
    net
        Gives logits (B, K, H, W) of `task.output`, from ``mask_logits`` where it has that.
    task
        See there.
    parts
        Batches per step.

    Attributes
    ----------
    regularization, taps
        The terms of SelfReg-UNet on the net's features, and where to listen (None where the net
        names that itself); none by default.
    groups
        What the optimiser changes: all parameters, until set to others.
    frozen
        Prefixes of the parameters that stay; their statistics stay, too.
    """

    def __init__(self, net: nn.Module, task: SegmentationTask, parts: int = 1) -> None:
        self.net, self.task, self.parts = net, task, parts
        self.device = next(net.parameters()).device
        self.regularization: SelfRegularization | None = None
        self.taps: TapNames | None = None
        self.groups: list[dict[str, Any]] = [{"params": list(net.parameters())}]
        self.frozen: tuple[str, ...] = ()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Give what is trained; `groups` may have been set to other rates or fewer parameters."""
        return self.groups

    def batch(self, step: int, part: int) -> tuple[Tensor, Tensor]:
        """Give the net's input (B, C, H, W) and the labels (B, H, W), on the device."""
        return self.prepared(self.task.train.batch(step * self.parts + part))

    def start_step(self, step: int) -> None:
        """Seed the random pairs of channels from the step, so that a resumed run draws them too."""
        if self.regularization is not None:
            self.regularization.reseed(step)

    def terms(self, batch: Any) -> dict[str, Tensor]:
        """Give the terms of the loss, those of self-regularisation among them."""
        if self.regularization is None:
            return self.losses(batch)
        with tap_features(self.net, self.taps) as features:
            terms = self.losses(batch)
        return terms | self.regularization.terms(features)

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Give the terms of the method's own loss."""

    @abstractmethod
    def supervised(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Give the loss of logits (B, K, H, W) against labels (B, H, W), also for validation."""

    def validate(self, net: nn.Module) -> Validation | None:
        """Measure Dice per class over the planes of each case together, at the net's size."""
        if not self.task.held_out:
            return None
        tally = _Tally(len(self.task.class_names))
        losses: list[tuple[float, int]] = []
        picture = b""
        for batch in self.task.held_out:
            x, labels = self.prepared(batch)
            logits = full_precision(checked_logits(net, x, self.task.output.channels))
            losses.append((float(self.supervised(logits, labels)), len(x)))
            found = labels_of(logits, self.task.output)
            tally.add(batch.names, found, labels)
            picture = picture or preview_png(batch.images, labels, found)
        dice = tally.dice()
        names = self.task.class_names
        classes = {n: _rounded(v) for n, v in zip(names, _class_means(dice), strict=True)}
        total = sum(count for _, count in losses)
        return Validation(
            score=float(np.nan_to_num(np.nanmean(dice))) if np.isfinite(dice).any() else 0.0,
            loss=sum(loss * count for loss, count in losses) / total,
            details={"classes": classes, "cases": len(dice)},
            previews={"validation": picture},
        )

    def train_mode(self) -> None:
        """Set the net to training, but for what is frozen."""
        self.net.train()
        for name, module in self.net.named_modules():
            if self.frozen and f"{name}.".startswith(self.frozen):
                module.eval()

    def close(self) -> None:
        """Stop making batches."""
        self.task.train.close()

    def describe(self, run: Path) -> dict[str, Any]:
        """Give the numbers of steps and classes for the log."""
        return {
            "classes": list(self.task.class_names),
            "steps_per_epoch": self.task.train.steps_per_epoch,
        }

    def prepared(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Give the net's input and labels of a batch, on the device."""
        images = batch.images.to(self.device, non_blocking=True)
        labels = batch.labels.to(self.device, non_blocking=True)
        return self.normalised(images), labels.long()

    def normalised(self, images: Tensor) -> Tensor:
        """Apply mean and standard deviation, where the net wants them."""
        spec = self.task.input
        if not spec.mean:
            return images
        mean, std = (images.new_tensor(v).view(1, -1, 1, 1) for v in (spec.mean, spec.std))
        return (images - mean) / std


def full_precision(x: Tensor) -> Tensor:
    """Give half precision as float32, in which losses are formed; others as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def labels_of(logits: Tensor, output: OutputSpec) -> Tensor:
    """Cut logits into labels (B, H, W), as the engine does without a threshold of the user's."""
    if output.activation == "softmax":
        return logits.argmax(1)
    best, index = logits.max(1)
    return torch.where(best >= 0, index + 1, 0)


class _Tally:
    """Counts pixels per case and class, so that a volume counts as a whole."""

    def __init__(self, n_classes: int) -> None:
        self._counts: dict[str, np.ndarray] = {}
        self._n = n_classes

    def add(self, names: Sequence[str], found: Tensor, labels: Tensor) -> None:
        """Add planes: found and true labels (B, H, W)."""
        valid = labels != IGNORED
        for c in range(1, self._n + 1):
            f, t = (found == c) & valid, (labels == c) & valid
            both = torch.stack(
                [(f & t).flatten(1).sum(1), f.flatten(1).sum(1) + t.flatten(1).sum(1)]
            )
            for name, counts in zip(names, both.t().cpu().numpy(), strict=True):
                room = self._counts.setdefault(name, np.zeros((self._n, 2), np.int64))
                room[c - 1] += counts

    def dice(self) -> np.ndarray:
        """Give Dice (cases, classes); NaN where a class is in neither."""
        counts = np.stack(list(self._counts.values())).astype(float)
        with np.errstate(invalid="ignore"):
            dice: np.ndarray = 2 * counts[..., 0] / counts[..., 1]
        return dice


def _class_means(dice: np.ndarray) -> list[float]:
    return [float(np.nanmean(c)) if np.isfinite(c).any() else float("nan") for c in dice.T]


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
