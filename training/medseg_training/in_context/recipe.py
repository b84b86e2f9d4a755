"""The values of an in-context training, checked before anything starts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from medseg_training.in_context.laws import Appearance, Warp
from medseg_training.schema import CardOptions, Decay, Place, StartOptions


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(_Part):
    """Where the tasks come from and how often each source is drawn."""

    root: Place
    leave_out: tuple[str, ...] = ()
    real: float = Field(0.55, ge=0)
    synthetic: float = Field(0.30, ge=0)
    phantoms: float = Field(0.15, ge=0)


class Stage(_Part):
    """A stretch of training at one image size.

    `cost` is shared by the batch: queries times (3.3 + support size), the relative price of the
    network's two paths, so that every step takes about equally long.
    """

    steps: int = Field(gt=0)
    size: int = Field(multiple_of=8, gt=0)
    cost: float = Field(gt=0)


class Support(_Part):
    """Chance of each number of examples, from 1 upwards in bands."""

    sizes: tuple[int, ...]
    weights: tuple[float, ...]

    @model_validator(mode="after")
    def _equal_length(self) -> Support:
        if len(self.sizes) != len(self.weights) or not self.sizes or min(self.sizes) < 1:
            raise ValueError("sizes (each 1 or more) and weights need equal length")
        return self


class Views(_Part):
    """How often a view is the whole image, a crop around the target, or a random window.

    `own_range` is the chance that views are scaled to [0, 1] by themselves, not with their image.
    """

    whole: float
    crop: float
    window: float
    absent: float = Field(ge=0, le=1)
    own_range: float = Field(ge=0, le=1)


class TaskChanges(_Part):
    """Chance per task of a change of what is asked for."""

    invert_image: float
    invert_mask: float
    edge: float
    grow: float
    union: float
    all_classes: float
    rough: float


class Optimiser(_Part):
    """Warm-up, a constant rate and a linear fall at the end; Adam, or Muon for matrices."""

    kind: Literal["adam", "muon"] = "adam"
    momentum: Decay = 0.95
    rate: float = Field(gt=0)
    betas: tuple[Decay, Decay]
    warm_up: int = Field(ge=0)
    fall: int = Field(ge=0)
    clip_norm: float = Field(gt=0)
    ema: Decay


class Recipe(_Part):
    """Everything that decides an in-context training.

    `parts` batches are drawn per step and their gradients averaged. Each part is computed in a
    thread of its own: on a CPU that is far cheaper than two threads inside every operation.
    """

    kind: Literal["in-context"] = "in-context"
    title: str = ""
    seed: int = Field(0, ge=0, lt=2**63)
    encoder_blocks: tuple[int, ...] = (64, 64, 64, 64)
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    device: str = "cpu"
    parts: int = Field(1, ge=1)
    data: Data
    stages: tuple[Stage, ...] = Field(min_length=1)
    support: Support
    views: Views
    changes: TaskChanges
    task_warp: Warp
    subject_warp: Warp
    task_appearance: Appearance
    subject_appearance: Appearance
    optimiser: Optimiser
    start: StartOptions = StartOptions()
    card: CardOptions = CardOptions()
    bce_weight: float = 1.0
    checkpoint_minutes: float = 5.0
    validate_every: int = Field(500, gt=0)
    log_every: int = Field(50, gt=0)

    @property
    def steps(self) -> int:
        """Steps of all stages together."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        """Give the stage that contains `step`; the last one after the end."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        return self.stages[-1]
