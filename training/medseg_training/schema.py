"""The values of a segmentation training, checked before anything starts.

One schema serves recipes (TOML), the command line (`section.key=value`) and the form of the dock:
every field carries the sentence that both show.
"""

from __future__ import annotations

from os.path import expanduser
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from medseg_training.data.augment_options import AugmentOptions
from medseg_training.recipe_part import Part

Positive = Annotated[float, Field(gt=0)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Place = Annotated[str, AfterValidator(expanduser)]
Side = Annotated[int, Field(ge=8, le=8192)]


class ScalingOptions(Part):
    """How raw values become 0 to 1, as on a model card (`napari_medseg.zoo.specs.Scaling`)."""

    kind: Literal["percentile", "window", "divide"] = "percentile"
    """Percentiles of the image, a fixed window, or 0 to a maximum."""
    low: float = 0.5
    """Percentile or raw value that becomes 0."""
    high: float = 99.5
    """Percentile or raw value that becomes 1."""

    @model_validator(mode="after")
    def _rising(self) -> ScalingOptions:
        low = 0.0 if self.kind == "divide" else self.low
        if not low < self.high:
            raise ValueError(f"high must lie above {low:g}")
        if self.kind == "percentile" and not 0 <= low < self.high <= 100:
            raise ValueError("percentiles lie between 0 and 100")
        return self


SEEN = ("size", "fit", "channels", "order", "scaling", "mean", "std")
"""Of `DataOptions`, what says how the net sees an image, as its model card does."""


class DataOptions(Part):
    """Which images, and how the net shall see them; the model card will say the same."""

    root: Place
    """Folder of the data set."""
    kind: Literal["auto", "folders", "nnunet", "decathlon", "slices"] = "auto"
    """Convention of the folder; auto looks at it."""
    fold: int = Field(default=0, ge=0)
    """Which fold is held out for validation."""
    splits: Place = ""
    """A splits_final.json to use instead of the folder's own."""
    classes: tuple[str, ...] = ()
    """Classes to learn; all where none is named."""
    merge: str = ""
    """Name of the one class that all of them become."""
    size: tuple[Side, Side] = (224, 224)
    """Height and width that the net sees."""
    fit: Literal["resize", "tile"] = "resize"
    """Whole planes made that large, or pieces at their own resolution."""
    channels: Literal[0, 1, 3] = 0
    """1 grey, 3 colours, 0 as the images are."""
    order: Literal["rgb", "bgr"] = "rgb"
    """Order of three channels."""
    scaling: ScalingOptions = ScalingOptions()
    mean: tuple[float, ...] = ()
    """Subtracted per channel after the scaling."""
    std: tuple[Positive, ...] = ()
    """Divided by per channel after the scaling."""

    @model_validator(mode="after")
    def _for_every_channel(self) -> DataOptions:
        if len(self.mean) != len(self.std) or len(self.mean) not in (0, 1, 3):
            raise ValueError("mean and std are given for every channel (1 or 3), or both left out")
        if self.mean and self.channels not in (0, len(self.mean)):
            raise ValueError(
                f"mean and std are given for {len(self.mean)} channels, not for {self.channels}"
            )
        return self


class NetOptions(Part):
    """Which net; channels, classes and image size follow from the data.

    A net that is not of the zoo takes them by the words ``"$channels"``, ``"$classes"`` (with the
    background) and ``"$size"`` among its options.
    """

    name: str = ""
    """A net of the zoo, or module:Class of an installed package; empty for the net of start.model,
    with its input.
    """
    options: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of its constructor."""
    encoder: tuple[str, ...] = ()
    """Name prefixes of the encoder's parameters; known for the zoo's nets."""


class TapOptions(Part):
    """Modules whose outputs are regularised, by dotted name; the zoo's nets know their own."""

    encoder: tuple[str | tuple[str, ...], ...]
    decoder: tuple[str | tuple[str, ...], ...]
    final: str


class SelfRegOptions(Part):
    """Weights of SelfReg-UNet's two terms; both 0 leaves them out."""

    consistency: float = Field(default=0.0, ge=0)
    """Weight of the semantic consistency term."""
    distillation: float = Field(default=0.0, ge=0)
    """Weight of the feature distillation term."""
    variant: Literal["published", "corrected"] = "corrected"
    """Random pairs of channels as published, or fixed ones."""
    taps: TapOptions | None = None

    @property
    def used(self) -> bool:
        """Whether there is anything to add to the loss."""
        return self.consistency > 0 or self.distillation > 0


class LossOptions(Part):
    """The supervised part of the loss."""

    kind: Literal["auto", "dice-ce", "condseg-stage1", "condseg-stage2"] = "auto"
    """Dice and cross-entropy, or one of ConDSeg's stages; auto: as the net."""
    dice: float = Field(default=0.6, ge=0)
    """Weight of the Dice term of dice-ce."""
    cross_entropy: float = Field(default=0.4, ge=0)
    """Weight of the cross-entropy of dice-ce."""
    boundary: float = Field(default=0.0, ge=0)
    """Weight of the boundary term of dice-ce."""
    as_published: bool = False
    """With the second sigmoid of ConDSeg's published code."""

    @model_validator(mode="after")
    def _some_weight(self) -> LossOptions:
        if not self.dice + self.cross_entropy + self.boundary:
            raise ValueError("one of dice, cross_entropy and boundary needs a weight above 0")
        return self


class OptimiserOptions(Part):
    """How the weights are changed."""

    kind: Literal["sgd", "adam", "adamw", "muon"] = "adamw"
    rate: Positive = 1e-3
    """Learning rate."""
    encoder_rate: float = Field(default=1.0, ge=0)
    """Encoder's rate as a part of the others'."""
    momentum: Decay = 0.9
    """Of SGD and Muon."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    weight_decay: float = Field(default=0.0, ge=0)
    """Of all but Muon, which has none here."""
    clip_norm: float = Field(default=0.0, ge=0)
    """Largest norm of the gradient; 0 for any."""


class ScheduleOptions(Part):
    """How the learning rate moves."""

    kind: Literal["constant", "poly", "cosine", "plateau", "fall"] = "poly"
    power: Positive = 0.9
    """Of poly: (1 - step / steps) ** power."""
    warm_up: int = Field(default=0, ge=0)
    """Steps in which the rate rises from 0."""
    fall: int = Field(default=0, ge=0)
    """Of fall: last steps, in which the rate falls to 2 %."""
    patience: int = Field(default=30, ge=0)
    """Of plateau: validations without improvement."""
    factor: float = Field(default=0.1, gt=0, lt=1)
    """Of plateau: what the rate is cut by."""


class StartOptions(Part):
    """What the weights begin with; at most one file."""

    model: Place = ""
    """A model of the zoo, a model or run folder, a checkpoint."""
    backbone: Place = ""
    """The encoder's checkpoint: ImageNet, Swin-T, a stage 1."""
    statistics: bool = True
    """Take the backbone's BatchNorm statistics, too."""
    freeze_encoder: bool = False
    """Leave the encoder as it begins."""

    @model_validator(mode="after")
    def _one_file(self) -> StartOptions:
        if self.model and self.backbone:
            raise ValueError("start from a model or from a backbone, not from both")
        return self


class TrainerOptions(Part):
    """How long, how fast, and what is kept."""

    epochs: int = Field(default=100, gt=0)
    batch_size: int = Field(default=8, gt=0, le=4096)
    accumulate: int = Field(default=1, gt=0)
    """Batches whose gradients are added for one step."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """auto is bfloat16 or float16 on a GPU and float32 elsewhere."""
    ema: Decay = 0.0
    """Decay of the moving average; 0 for none."""
    early_stop: int = Field(default=0, ge=0)
    """Validations without improvement; 0 for never."""
    validate_every: int = Field(default=1, gt=0)
    """Epochs between validations."""
    log_every: int = Field(default=20, gt=0)
    """Steps between lines of the log."""
    checkpoint_minutes: float = Field(default=5.0, gt=0)
    deterministic: bool = False
    """Only algorithms that repeat themselves."""
    tensorboard: bool = False
    """Write curves for TensorBoard, too."""


class CardOptions(Part):
    """What the model's card will say beside what the training itself knows."""

    modalities: tuple[str, ...] = ()
    """Kinds of images, such as "X-ray" or "dermoscopy"."""
    description: str = ""
    """What the model is for."""
    not_for: str = ""
    """What it must not be used for, after the sentence that every card has."""
    licence: str = ""
    """Terms of the weights, as the data's licences allow."""


class RunConfig(Part):
    """Everything that decides a segmentation training."""

    kind: Literal["segmentation"] = "segmentation"
    title: str = ""
    """What the model will be called for people."""
    citation: str = ""
    """The paper that the recipe follows."""
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: str = "auto"
    """auto, cpu, cuda, cuda:1 or mps."""
    data: DataOptions
    augment: AugmentOptions = AugmentOptions()
    view: AugmentOptions = AugmentOptions()
    """Of the second look in ConDSeg's stage 1."""
    net: NetOptions = NetOptions()
    loss: LossOptions = LossOptions()
    selfreg: SelfRegOptions = SelfRegOptions()
    optimiser: OptimiserOptions = OptimiserOptions()
    schedule: ScheduleOptions = ScheduleOptions()
    start: StartOptions = StartOptions()
    trainer: TrainerOptions = TrainerOptions()
    card: CardOptions = CardOptions()

    @model_validator(mode="after")
    def _some_net(self) -> RunConfig:
        if not self.net.name and not self.start.model:
            raise ValueError("name a net (net.name), or a model to start from (start.model)")
        return self
