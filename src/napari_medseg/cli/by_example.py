"""``napari-medseg by-example``: segment images as a support set shows."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli import options as shared
from napari_medseg.cli.images import check_images, run_on_images
from napari_medseg.cli.report import about, refusing, say
from napari_medseg.cli.sharing import sharing
from napari_medseg.session.settings import settings

if TYPE_CHECKING:
    from napari_medseg.engine.by_example.options import ByExampleOptions
    from napari_medseg.engine.by_example.support import SupportSet
    from napari_medseg.engine.results import Job
    from napari_medseg.io.images import ImageFile

_FINE = "Fine points"


class Decision(StrEnum):
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
    Decision,
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
        "--adapt",
        help="Fit small nets on the examples first, which takes about half a minute, once.",
    ),
]
AdaptEffort = Annotated[
    int,
    typer.Option(
        help="With --adapt: fit at most so many times as long as usual.", rich_help_panel=_FINE
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Of the subsets.", rich_help_panel=_FINE)]


@sharing
def by_example(
    context: typer.Context,
    inputs: shared.Images,
    *,
    support: Support,
    model: Model = None,
    threshold: Threshold = 0.5,
    probabilities: shared.Probabilities = False,
    device: shared.OnDevice = None,
    looking: shared.Looking,
    cleaning: shared.Cleaning,
    refine: SecondLook = Decision.auto,
    colour: InColour = Colour.auto,
    adapt: Adapt = False,
    adapt_effort: AdaptEffort = 1,
    ensemble: Ensemble = 1,
    flips: shared.Flips = False,
    seed: Seed = 0,
    saving: shared.Saving,
) -> None:
    """Segment images as a few painted examples show; nothing is trained."""
    with refusing(ValueError, OSError):
        check_images(inputs, saving.out, (support, support / "images", support / "masks"))
        from napari_medseg.engine.by_example.support_files import load_support

        chosen = _options(
            model,
            device=device or settings().device,
            threshold=threshold,
            refine={"auto": "auto", "always": True, "never": False}[refine],
            colour=colour.value,
            adapt=True if adapt else "kept",
            adapt_effort=adapt_effort,
            ensemble=ensemble,
            flips=flips,
            seed=seed,
            keep_probabilities=probabilities,
            post=cleaning.steps(),
        )
        examples = load_support(support.absolute())
        if adapt and len(examples) == 1:
            say("A single example is not adapted to: nobody could tell whether it helps.")
        if examples.adaptation_problem and not adapt:
            raise ValueError(f"{examples.adaptation_problem} The option --adapt does.")
        decided = _decided(chosen, examples)
        request = saving.request(context, looking, decided, probabilities=probabilities)
    start = partial(_start, support=examples, options=chosen)
    run_on_images("by-example", inputs, request, start, saving.json_)


def _options(model: str | None, device: str, **fields: Any) -> ByExampleOptions:
    """Check what can be checked before the first image is read.

    Raises
    ------
    ValueError
        With one sentence, where the model or the device cannot be used.
    """
    from napari_medseg.engine.by_example.options import (
        DEFAULT_MODEL,
        ByExampleOptions,
        check_options,
    )

    options = ByExampleOptions(model=model or DEFAULT_MODEL, device=str(device), **fields)
    return replace(options, model=check_options(options))


def _decided(options: ByExampleOptions, examples: SupportSet) -> dict[str, Any]:
    """Give what decides the results: of the model and of the examples what is in them."""
    from napari_medseg.engine.by_example.options import check_options

    adaptation = examples.adaptation
    return options.as_dict() | {
        "card_sha256": check_options(options).content_hash,
        "support_sha256": examples.content_hash,
        "adaptation_sha256": None if adaptation is None else adaptation.sha256,
    }


def _start(
    image: ImageFile, seen: dict[str, Any], support: SupportSet, options: ByExampleOptions
) -> Job:
    from napari_medseg.engine.by_example.job import by_example_job
    from napari_medseg.engine.by_example.support import why_doubtful

    doubt = why_doubtful(support, image.rgb)
    if doubt:
        say(about(Path(image.name), doubt))
    return by_example_job(image.data, support, options, **seen)
