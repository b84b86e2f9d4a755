"""``napari-medseg by-example``: segment images as a support set shows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli.outputs import (
    PROBABILITIES,
    Format,
    check_names,
    checked_folder,
    suffix_for,
)
from napari_medseg.cli.report import (
    FAILED,
    check_files,
    print_json,
    refusing,
    run_job,
    say,
    sentence_of,
)
from napari_medseg.io.atomic import split_suffix

if TYPE_CHECKING:
    from napari_medseg.engine.options import ByExampleOptions
    from napari_medseg.engine.results import Segmentation
    from napari_medseg.engine.support import SupportSet
    from napari_medseg.io.images import ImageFile


class Device(StrEnum):
    """Where the net runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


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
    results: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    for path in inputs:
        try:
            results.append(_segment(path, request))
        except Exception as error:
            sentence = sentence_of(error)
            failed.append({"input": str(path), "error": sentence})
            say(f"{path}: {sentence}")
        else:
            say(f"{path} -> {results[-1]['output']}")
    if json_:
        print_json({"command": "by-example", "results": results, "failed": failed})
    if failed:
        say(f"{len(failed)} of {len(inputs)} inputs failed.")
        raise typer.Exit(FAILED)


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
    check_files(*(path for path in inputs if not path.is_dir()))
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
    entry = {"input": str(path)} | _write(segmentation, image, request, stem, suffix)
    return entry | {"seconds": round(time.monotonic() - started, 2)}


def _write(
    segmentation: Segmentation, image: ImageFile, request: _Request, stem: str, suffix: str
) -> dict[str, Any]:
    import numpy as np

    from napari_medseg.io.labels import write_labels
    from napari_medseg.io.probabilities import write_probabilities

    made = segmentation.provenance
    names = segmentation.class_names
    target = request.folder / f"{stem}{suffix}"
    write_labels(target, segmentation.labels, image.geometry, made, names)
    entry: dict[str, Any] = {"output": str(target)}
    if request.probabilities:
        if segmentation.probabilities is None:
            raise MemoryError("The probabilities do not fit into memory; the label map is written.")
        beside = request.folder / f"{stem}{PROBABILITIES}"
        write_probabilities(beside, segmentation.probabilities, image.geometry, made, names)
        entry["probabilities"] = str(beside)
    counts = np.bincount(segmentation.labels.ravel(), minlength=len(names)).tolist()
    return entry | {
        "shape": list(segmentation.labels.shape),
        "spacing": list(image.geometry.spacing),
        "units": image.geometry.units,
        "pixels": dict(zip(names, counts, strict=True)),
        "provenance": made.as_dict(),
    }
