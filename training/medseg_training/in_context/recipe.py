"""The values of an in-context training, checked before anything starts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from medseg_training.in_context.laws import Appearance, Warp
from medseg_training.recipe_part import Part
from medseg_training.schema import CardOptions, Decay, Place, StartOptions


class Data(Part):
    """Where the tasks come from and how often each source is drawn."""

    root: Place
    """Folder of the tasks."""
    leave_out: tuple[str, ...] = ()
    """Tasks that are watched and not learned from."""
    real: float = Field(0.55, ge=0)
    """Share of the batch that is drawn from the tasks."""
    synthetic: float = Field(0.30, ge=0)
    """Share of the batch that is drawn from synthetic shapes."""
    phantoms: float = Field(0.15, ge=0)
    """Share of the batch that is drawn from phantoms of organs."""


class Stage(Part):
    """A stretch of training at one image size.

    `cost` is shared by the batch: queries times (3.3 + support size), the relative price of the
    network's two paths, so that every step takes about equally long.
    """

    steps: int = Field(gt=0)
    """How long it takes."""
    size: int = Field(multiple_of=8, gt=0)
    """Side of the images in pixels."""
    cost: float = Field(gt=0)
    """What a batch may cost: queries times (3.3 + examples)."""


class Support(Part):
    """Chance of each number of examples, from 1 upwards in bands."""

    sizes: tuple[int, ...]
    """Numbers of examples that are drawn."""
    weights: tuple[float, ...]
    """How often each of them is drawn."""

    @model_validator(mode="after")
    def _equal_length(self) -> Support:
        if len(self.sizes) != len(self.weights) or not self.sizes or min(self.sizes) < 1:
            raise ValueError("sizes (each 1 or more) and weights need equal length")
        return self


class Views(Part):
    """How often a view is the whole image, a crop around the target, or a random window.

    `own_range` is the chance that views are scaled to [0, 1] by themselves, not with their image.
    """

    whole: float
    """Share of tasks seen as whole images."""
    crop: float
    """Share of tasks cut out around the target."""
    window: float
    """Share of tasks seen through a window at random."""
    absent: float = Field(ge=0, le=1)
    """Chance that a query, or one of the examples, shows no target."""
    own_range: float = Field(ge=0, le=1)
    """Chance that views are scaled by themselves, not with their image."""


class TaskChanges(Part):
    """Chance per task of a change of what is asked for."""

    invert_image: float
    """Chance: exchange dark and bright."""
    invert_mask: float
    """Chance: ask for the background."""
    edge: float
    """Chance: ask for the outline."""
    grow: float
    """Chance: grow the mask by up to two pixels, or shrink it by one."""
    union: float
    """Chance: ask for several classes as one."""
    all_classes: float
    """Chance: ask for all classes as one."""
    rough: float
    """Chance: draw the examples' masks as a hurried brush would."""


class Optimiser(Part):
    """Warm-up, a constant rate and a linear fall at the end; Adam, or Muon for matrices."""

    kind: Literal["adam", "muon"] = "adam"
    """Adam, or Muon for the matrices."""
    momentum: Decay = 0.95
    """Of Muon."""
    rate: float = Field(gt=0)
    """Learning rate."""
    betas: tuple[Decay, Decay]
    warm_up: int = Field(ge=0)
    """Steps in which the rate rises from 0."""
    fall: int = Field(ge=0)
    """Last steps, in which the rate falls to 2 %."""
    clip_norm: float = Field(gt=0)
    """Largest norm of the gradient."""
    ema: Decay
    """Decay of the moving average of the weights; 0 for none."""


class Recipe(Part):
    """Everything that decides an in-context training.

    `parts` batches are drawn per step and their gradients averaged. Each part is computed in a
    thread of its own: on a CPU that is far cheaper than two threads inside every operation.
    """

    kind: Literal["in-context"] = "in-context"
    title: str = ""
    """What the model will be called for people."""
    seed: int = Field(0, ge=0, lt=2**63)
    encoder_blocks: tuple[int, ...] = (64, 64, 64, 64)
    """Channels of each level of the net."""
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    """Of the computation; bfloat16 is faster and less exact."""
    device: str = "cpu"
    """auto, cpu, cuda, cuda:1 or mps."""
    parts: int = Field(1, ge=1)
    """Batches whose gradients are averaged for one step."""
    data: Data
    stages: tuple[Stage, ...] = Field(min_length=1)
    """Stretches of the training, each with steps, size and cost."""
    support: Support
    views: Views
    changes: TaskChanges
    task_warp: Warp
    """How all images of a task are bent alike."""
    subject_warp: Warp
    """How each image is bent."""
    task_appearance: Appearance
    """How the looks of all images of a task are changed alike."""
    subject_appearance: Appearance
    """How the looks of each image are changed."""
    optimiser: Optimiser
    start: StartOptions = StartOptions()
    card: CardOptions = CardOptions()
    bce_weight: float = 1.0
    """Weight of the binary cross-entropy beside the Dice loss."""
    checkpoint_minutes: float = 5.0
    """Minutes between checkpoints."""
    validate_every: int = Field(500, gt=0)
    """Steps between validations."""
    log_every: int = Field(50, gt=0)
    """Steps between lines of the log."""

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
