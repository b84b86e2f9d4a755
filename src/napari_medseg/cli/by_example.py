"""``napari-medseg by-example``: segment images as a support set shows."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli import options as shared
from napari_medseg.cli.cohort import Cohort
from napari_medseg.cli.images import Request, View, check_images, run_on_images
from napari_medseg.cli.report import refusing, say
from napari_medseg.session.settings import settings

if TYPE_CHECKING:
    from napari_medseg.engine.options import ByExampleOptions
    from napari_medseg.engine.results import Job
    from napari_medseg.engine.support import SupportSet
    from napari_medseg.io.images import ImageFile

_FINE = "Fine points"


class Choice(StrEnum):
    """What is left open, or decided."""

    auto = "auto"
    always = "always"
    never = "never"


class Colour(StrEnum):
    """What is made of colour images."""

    auto = "auto"
    grey = "grey"
    learned = "learned"


Support = Annotated[
    Path, typer.Option(help="Folder with the examples: images/ and masks/.", metavar="DIR")
]
Model = Annotated[str | None, typer.Option("-m", "--model", help="An in-context model of the zoo.")]
Threshold = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Probability from which a pixel counts.")
]
SecondLook = Annotated[
    Choice,
    typer.Option(help="Look at the region found again, close up.", rich_help_panel=_FINE),
]
InColour = Annotated[
    Colour, typer.Option(help="What is made of colour images.", rich_help_panel=_FINE)
]
Ensemble = Annotated[
    int,
    typer.Option(
        min=1, help="Average over so many subsets of the examples.", rich_help_panel=_FINE
    ),
]
Adapt = Annotated[
    bool,
    typer.Option(
        "--adapt", help="Fit small nets on the examples first, which takes half a minute, once."
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the subsets.", rich_help_panel=_FINE)]


def by_example(
    context: typer.Context,
    inputs: shared.Images,
    support: Support,
    out: shared.Out,
    model: Model = None,
    threshold: Threshold = 0.5,
    probabilities: shared.Probabilities = False,
    series: shared.Series = None,
    device: shared.OnDevice = None,
    axis: shared.Axis = 0,
    planes: shared.PlaneList = None,
    value_range: shared.Range = None,
    largest: shared.Largest = False,
    fill_holes: shared.FillHoles = False,
    min_size: shared.MinSize = 0,
    refine: SecondLook = Choice.auto,
    colour: InColour = Colour.auto,
    adapt: Adapt = False,
    ensemble: Ensemble = 1,
    flips: shared.Flips = False,
    seed: Seed = 0,
    to: shared.To = None,
    scheduler: shared.Scheduler = None,
    resume: shared.Resume = False,
    json_: shared.Json = False,
) -> None:
    """Segment images as a few painted examples show; nothing is trained."""
    with refusing(ValueError, OSError):
        check_images(inputs, out, (support, support / "images", support / "masks"))
        from napari_medseg.engine.postprocess import PostProcess
        from napari_medseg.engine.support import SupportSet

        chosen = _options(
            model,
            device=device or settings().device,
            threshold=threshold,
            refine={"auto": "auto", "always": True, "never": False}[refine],
            colour=colour.value,
            adapt=True if adapt else "kept",
            ensemble=ensemble,
            flips=flips,
            seed=seed,
            keep_probabilities=probabilities,
            post=PostProcess(min_size, largest, fill_holes),
        )
        view = View(axis, shared.parsed_planes(planes), shared.parsed_range(value_range))
        examples = SupportSet.load(support)
    request = Request(out, to, series, probabilities, view, cohort=Cohort.of(context))
    run_on_images(
        "by-example",
        inputs,
        request,
        lambda image, seen: _start(image, examples, chosen, seen),
        json_,
    )


def _options(model: str | None, device: str, **fields: Any) -> ByExampleOptions:
    """Check what can be checked before the first image is read.

    Raises
    ------
    ValueError
        With one sentence, where the model or the device cannot be used.
    """
    from napari_medseg.engine.devices import choose_device
    from napari_medseg.engine.options import DEFAULT_MODEL, ByExampleOptions
    from napari_medseg.zoo.registry import get_card

    card = get_card(model or DEFAULT_MODEL)
    if card.kind != "in-context":
        raise ValueError(f"The model {card.name} takes no examples; choose an in-context one.")
    choose_device(device)
    return ByExampleOptions(model=card, device=str(device), **fields)


def _start(
    image: ImageFile, support: SupportSet, options: ByExampleOptions, seen: dict[str, Any]
) -> Job:
    from napari_medseg.engine.by_example import by_example_job
    from napari_medseg.engine.support import why_doubtful

    doubt = why_doubtful(support, image.rgb)
    if doubt:
        say(f"{image.name}: {doubt}")
    return by_example_job(image.data, support, options, **seen)
