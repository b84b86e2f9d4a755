"""What can be asked of segmentation with a pretrained model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from napari_medseg.engine.devices import choose_device, choose_precision
from napari_medseg.engine.postprocess import PostProcess
from napari_medseg.engine.with_model.runtimes import Runtime, check_runtime
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.registry import card_of
from napari_medseg.zoo.specs import InputSpec, OutputSpec
from napari_medseg.zoo.weights import check_present


@dataclass(frozen=True)
class SegmentOptions:
    """How to segment with a model.

    Parameters
    ----------
    model : str or ModelCard
        A pretrained model of the zoo.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    precision : {"float32", "bfloat16", "auto"}
        See `napari_medseg.engine.devices.choose_precision`.
    threshold : float, optional
        Probability from which a pixel belongs to its best class. By default 0.5; models that weigh
        their classes against the background give each pixel the most probable of all.
    flips : bool
        Whether mirrored copies are asked as well and averaged; four times the work.
    tile : int, optional
        Side of the tiles in pixels, for models that work in tiles; by default as on the card.
    batch : int, optional
        Tiles or planes asked at once; by default as many as fit, one on the CPU.
    keep_probabilities : bool
        Whether the result holds the probabilities, not only the labels.
    post : PostProcess
        How the label map is cleaned up; by default not at all.
    runtime : {"torch", "onnx"}
        What computes the net. ``"onnx"`` is ONNX Runtime, on the CPU in float32; its logits are
        torch's within a thousandth of the largest, which is checked when the model is converted.
    """

    model: str | ModelCard
    device: str = "auto"
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    threshold: float | None = None
    flips: bool = False
    tile: int | None = None
    batch: int | None = None
    keep_probabilities: bool = True
    post: PostProcess = field(default_factory=PostProcess)
    runtime: Runtime = "torch"

    def as_dict(self) -> dict[str, Any]:
        """Give the options as values JSON can hold, without the model."""
        values = asdict(self)
        del values["model"]
        return values


def check_options(options: SegmentOptions) -> ModelCard:
    """Give the card of the model, after checking what can be checked without an image.

    Raises
    ------
    ValueError
        With one sentence, where the model or an option cannot be used.
    """
    card = card_of(options.model)
    if card.kind != "pretrained":
        raise ValueError(
            f"The model {card.name!r} needs examples: segment by example with it, or choose a "
            "pretrained model."
        )
    spec = InputSpec.of(card)
    OutputSpec.of(card)
    if options.tile is not None:
        spec.checked_tile(options.tile)
    if options.threshold is not None and not 0.0 <= options.threshold <= 1.0:
        raise ValueError(f"The threshold must lie between 0 and 1; got {options.threshold:g}.")
    choose_precision(options.precision, choose_device(options.device))
    check_runtime(options.runtime, options.device, options.precision)
    check_present(card)
    return card


def usual_tile(model: str | ModelCard, wanted: int) -> int | None:
    """Give the tile nearest to the one that is wanted for all models, if this one can take it.

    Parameters
    ----------
    model : str or ModelCard
        A pretrained model of the zoo.
    wanted : int
        Side in pixels; 0 for what the card says.

    Returns
    -------
    int or None
        None for what the card says.

    Raises
    ------
    CardError
        If there is no such model.
    """
    card = card_of(model)
    if not wanted or card.kind != "pretrained":
        return None
    spec = InputSpec.of(card)
    if spec.fit != "tile" or not spec.multiple:
        return None
    return max(spec.multiple, wanted - wanted % spec.multiple)
