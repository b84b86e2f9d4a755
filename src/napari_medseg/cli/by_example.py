"""``napari-medseg by-example``: segment images as a support set shows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli.outputs import (
    Format,
    check_names,
    checked_folder,
    suffix_for,
    write_results,
)
from napari_medseg.cli.report import Device, check_files, refusing, run_each, run_job, say
from napari_medseg.io.atomic import split_suffix

if TYPE_CHECKING:
    from napari_medseg.engine.options import ByExampleOptions
    from napari_medseg.engine.support import SupportSet


@dataclass(frozen=True)
class _Request:
    support: SupportSet
    options: ByExampleOptions
    folder: Path
    to: Format | None
    probabilities: bool
    series: str | None


def by_example(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Images and volumes: PNG, JPEG, BMP, TIFF, NIfTI, DICOM, OME-Zarr."),
    ],
    support: Annotated[
        Path, typer.Option(help="Folder with the examples: images/ and masks/.", metavar="DIR")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the label maps.", metavar="OUT")
    ],
    model: Annotated[
        str | None, typer.Option("-m", "--model", help="An in-context model of the zoo.")
    ] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write probabilities too, as OME-TIFF.")
    ] = False,
    series: Annotated[
        str | None,
        typer.Option(help="Which series of a DICOM folder: its place in the list, or its UID."),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the net runs.")] = Device.auto,
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Probability from which a pixel counts.")
    ] = 0.5,
    to: Annotated[
        Format | None, typer.Option(help="Kind of label map; PNG for planes, NIfTI for volumes.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print a report as JSON.")] = False,
) -> None:
    """Segment images as a few painted examples show; nothing is trained."""
    request = _checked(inputs, support, out, model, device, threshold, to, probabilities, series)
    run_each("by-example", inputs, lambda path: _segment(path, request), json_)


def _checked(
    inputs: list[Path],
    support: Path,
    out: Path,
    model: str | None,
    device: Device,
    threshold: float,
    to: Format | None,
    probabilities: bool,
    series: str | None,
) -> _Request:
    """Check everything that can be checked before the first image is read."""
    from napari_medseg.io.volume import holds_image

    check_files(*(path for path in inputs if not holds_image(path)))
    with refusing(ValueError, OSError):
        check_names(inputs, out, (support, support / "images", support / "masks"))
        from napari_medseg.engine.devices import choose_device
        from napari_medseg.engine.options import DEFAULT_MODEL, ByExampleOptions
        from napari_medseg.engine.support import SupportSet
        from napari_medseg.zoo.registry import get_card

        card = get_card(model or DEFAULT_MODEL)
        if card.kind != "in-context":
            raise ValueError(f"The model {card.name} takes no examples; choose an in-context one.")
        options = ByExampleOptions(
            model=card,
            device=device.value,
            threshold=threshold,
            keep_probabilities=probabilities,
        )
        choose_device(device.value)
        examples = SupportSet.load(support)
        return _Request(examples, options, checked_folder(out), to, probabilities, series)


def _segment(path: Path, request: _Request) -> dict[str, Any]:
    """Segment one image, write what was found, and give the entry of the report."""
    from napari_medseg.engine.by_example import by_example_job
    from napari_medseg.io.findings import warnings_of
    from napari_medseg.io.images import read_image

    started = time.monotonic()
    image = read_image(path, request.series if path.is_dir() else None)
    for sentence in warnings_of(image.findings):
        say(f"{path}: {sentence}")
    suffix = suffix_for(image.geometry.ndim, request.to)
    job = by_example_job(image.data, request.support, request.options, rgb=image.rgb)
    segmentation = run_job(job, path.name)
    stem = split_suffix(path.name)[0]
    entry = {"input": str(path)} | write_results(
        segmentation, image, request.folder, stem, suffix, request.probabilities
    )
    return entry | {"seconds": round(time.monotonic() - started, 2)}
