"""The seam between the trainer and what is trained: an object with a net, batches and a loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class Plan:
    """How long a training is and what happens when.

    Parameters
    ----------
    steps, steps_per_epoch
        Changes of the weights in all, and in one pass over the data.
    log_every, validate_every
        In steps.
    checkpoint_minutes
        Time between checkpoints.
    seed
        Of everything random; a step's randomness follows from it and the step's number.
    ema
        Decay of the moving average of the weights; 0 for none.
    clip_norm
        Largest norm of the gradient; 0 for any.
    early_stop
        Validations without improvement after which the training ends; 0 for never.
    batch_size
        Of one process, to be suggested smaller where memory is short.
    """

    steps: int
    steps_per_epoch: int
    log_every: int
    validate_every: int
    checkpoint_minutes: float
    seed: int = 0
    ema: float = 0.0
    clip_norm: float = 0.0
    early_stop: int = 0
    batch_size: int = 1


@dataclass(frozen=True)
class Validation:
    """How good a net was on what is held out.

    Parameters
    ----------
    score
        The number that decides which weights are best; larger is better.
    loss
        What a plateau is looked for in; smaller is better.
    details
        Everything else, for the log.
    previews
        Pictures to look at: name and PNG bytes.
    """

    score: float
    loss: float
    details: Mapping[str, Any] = field(default_factory=dict)
    previews: Mapping[str, bytes] = field(default_factory=dict)


class Method(ABC):
    """One way to train a net; everything in it follows from a step's number.

    Attributes
    ----------
    net
        What is trained, averaged, saved and exported; on its device.
    parts
        Batches whose gradients are averaged for one step.
    cautions
        What a person should know before the training begins, in sentences.
    threaded
        Whether the parts may be computed in threads, one each; not for nets that hold statistics.
    """

    net: nn.Module
    parts: int = 1
    threaded: bool = False
    cautions: tuple[str, ...] = ()

    @abstractmethod
    def parameter_groups(self) -> list[dict[str, Any]]:
        """Give what the optimiser changes, as groups that may carry their own ``lr``."""

    @abstractmethod
    def batch(self, step: int, part: int) -> Any:
        """Give one part of the batch of a step, on the device; asking twice gives the same."""

    @abstractmethod
    def terms(self, batch: Any) -> dict[str, Tensor]:
        """Give the terms of the loss, scalars whose sum is minimised, by their names."""

    @abstractmethod
    def validate(self, net: nn.Module) -> Validation | None:
        """Measure a net of the trained kind on what is held out; None where nothing is."""

    def start_step(self, step: int) -> None:  # noqa: B027 a hook that most methods do not need
        """Get ready for a step; the place to seed what a loss draws."""

    def train_mode(self) -> None:
        """Set the net to training; the place to leave frozen parts as they are."""
        self.net.train()

    def close(self) -> None:  # noqa: B027 a hook that most methods do not need
        """Let go of threads and files."""

    def describe(self, run: Path) -> dict[str, Any]:
        """Write what belongs into the run folder; give what the log shall say at the start."""
        return {}
