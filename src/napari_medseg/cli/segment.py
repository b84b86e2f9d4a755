"""``napari-medseg segment``: segment images with a pretrained model."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli import options as shared
from napari_medseg.cli.images import check_images, run_on_images
from napari_medseg.cli.report import refusing
from napari_medseg.cli.sharing import sharing
from napari_medseg.session.settings import settings

if TYPE_CHECKING:
    from napari_medseg.engine.results import Job
    from napari_medseg.engine.with_model.options import SegmentOptions
    from napari_medseg.io.images import ImageFile
    from napari_medseg.zoo.cards import ModelCard

Model = Annotated[str, typer.Option("-m", "--model", help="A pretrained model; see: models list.")]
Tile = Annotated[
    int | None, typer.Option(min=1, help="Side of the tiles in pixels; smaller saves memory.")
]
Threshold = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Probability from which a pixel counts.")
]
Faster = Annotated[
    bool,
    typer.Option(
        "--bfloat16", help="Compute faster and less exactly.", rich_help_panel="Fine points"
    ),
]


class Runtime(StrEnum):
    """What computes the net."""

    torch = "torch"
    onnx = "onnx"


With = Annotated[
    Runtime,
    typer.Option(
        "--runtime",
        help="What computes the net: torch, or ONNX Runtime on the CPU.",
        rich_help_panel="Fine points",
    ),
]


@sharing
def segment(
    context: typer.Context,
    inputs: shared.Images,
    *,
    model: Model,
    threshold: Threshold = None,
    probabilities: shared.Probabilities = False,
    objects: shared.Objects = False,
    device: shared.OnDevice = None,
    tile: Tile = None,
    looking: shared.Looking,
    cleaning: shared.Cleaning,
    flips: shared.Flips = False,
    bfloat16: Faster = False,
    runtime: With = Runtime.torch,
    values: shared.Values = None,
    saving: shared.Saving,
) -> None:
    """Segment images with a pretrained model; nothing is painted, nothing is trained."""
    with refusing(ValueError, OSError):
        check_images(inputs, saving.out)
        from napari_medseg.zoo.registry import get_card

        card = get_card(model)
        chosen = _options(
            card,
            tile,
            device=device or settings().device,
            precision="bfloat16" if bfloat16 else "float32",
            threshold=threshold,
            flips=flips,
            keep_probabilities=probabilities or objects,
            post=cleaning.steps(),
            runtime=runtime.value,
        )
        numbers = _numbers(values, card)
        decided = chosen.as_dict() | {"card_sha256": card.content_hash}
        request = saving.request(
            context,
            looking,
            decided,
            probabilities=probabilities,
            objects=objects,
            values=numbers,
        )
    run_on_images(
        "segment",
        inputs,
        request,
        partial(_start, options=replace(chosen, model=card.name)),
        saving.json_,
    )


def _options(card: ModelCard, tile: int | None, device: str, **fields: Any) -> SegmentOptions:
    """Check what can be checked before the first image is read.

    Raises
    ------
    ValueError
        With one sentence, where the model or an option cannot be used.
    """
    from napari_medseg.engine.with_model.options import SegmentOptions, check_options, usual_tile

    if tile is None:
        tile = usual_tile(card, settings().tile)
    options = SegmentOptions(model=card, tile=tile, device=str(device), **fields)
    check_options(options)
    return options


def _numbers(values: str | None, card: ModelCard) -> tuple[int, ...]:
    from napari_medseg.engine.results import check_values

    if values is None:
        return ()
    count = len(card.classes)
    like = ",".join(str(number) for number in range(1, count + 1))
    numbers = shared.parsed_numbers(values, count, "--values", like)
    check_values(numbers)
    return numbers


def _start(image: ImageFile, seen: dict[str, Any], options: SegmentOptions) -> Job:
    from napari_medseg.engine.with_model.job import segment_job

    return segment_job(image.data, options, **seen)
