"""``napari-medseg segment``: segment images with a pretrained model."""

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
    from napari_medseg.engine.segment_options import SegmentOptions


@dataclass(frozen=True)
class _Request:
    options: SegmentOptions
    folder: Path
    to: Format | None
    axis: int
    series: str | None


def segment(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Images and volumes: PNG, JPEG, BMP, TIFF, NIfTI, DICOM, OME-Zarr."),
    ],
    model: Annotated[
        str, typer.Option("-m", "--model", help="A pretrained model; see: models list.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the label maps.", metavar="OUT")
    ],
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write probabilities too, as OME-TIFF.")
    ] = False,
    device: Annotated[Device, typer.Option(help="Where the net runs.")] = Device.auto,
    tile: Annotated[
        int | None, typer.Option(min=1, help="Side of the tiles in pixels; smaller saves memory.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Probability from which a pixel counts."),
    ] = None,
    axis: Annotated[
        int, typer.Option(min=0, max=2, help="Axis along which volumes are cut into planes.")
    ] = 0,
    flips: Annotated[
        bool, typer.Option("--flips", help="Average over mirror images; four times the work.")
    ] = False,
    bfloat16: Annotated[
        bool, typer.Option("--bfloat16", help="Compute faster and less exactly.")
    ] = False,
    largest: Annotated[
        bool, typer.Option("--largest", help="Keep the largest piece of each class.")
    ] = False,
    fill_holes: Annotated[bool, typer.Option("--fill-holes", help="Fill enclosed holes.")] = False,
    min_size: Annotated[int, typer.Option(min=0, help="Drop pieces of fewer pixels (voxels).")] = 0,
    series: Annotated[
        str | None,
        typer.Option(help="Which series of a DICOM folder: its place in the list, or its UID."),
    ] = None,
    to: Annotated[
        Format | None, typer.Option(help="Kind of label map; PNG for planes, NIfTI for volumes.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print a report as JSON.")] = False,
) -> None:
    """Segment images with a pretrained model; nothing is painted, nothing is trained."""
    check_files(*(path for path in inputs if not path.is_dir()))
    with refusing(ValueError, OSError):
        check_names(inputs, out)
        from napari_medseg.engine.postprocess import PostProcess
        from napari_medseg.engine.segment_options import SegmentOptions, check_options

        options = SegmentOptions(
            model=model,
            device=device.value,
            precision="bfloat16" if bfloat16 else "float32",
            threshold=threshold,
            flips=flips,
            tile=tile,
            keep_probabilities=probabilities,
            post=PostProcess(min_size, largest, fill_holes),
        )
        check_options(options)
        request = _Request(options, checked_folder(out), to, axis, series)
    run_each("segment", inputs, lambda path: _segment(path, request), json_)


def _segment(path: Path, request: _Request) -> dict[str, Any]:
    """Segment one image, write what was found, and give the entry of the report."""
    from napari_medseg.engine.segment import segment_job
    from napari_medseg.io.findings import warnings_of
    from napari_medseg.io.images import read_image

    started = time.monotonic()
    image = read_image(path, request.series if path.is_dir() else None)
    for sentence in warnings_of(image.findings):
        say(f"{path}: {sentence}")
    suffix = suffix_for(image.geometry.ndim, request.to)
    axis = request.axis if image.geometry.ndim == 3 else 0
    job = segment_job(image.data, request.options, axis=axis, rgb=image.rgb)
    found = run_job(job, path.name)
    stem, keep = split_suffix(path.name)[0], request.options.keep_probabilities
    written = write_results(found, image, request.folder, stem, suffix, keep)
    return {"input": str(path)} | written | {"seconds": round(time.monotonic() - started, 2)}
