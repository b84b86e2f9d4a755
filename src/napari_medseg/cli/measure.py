"""``napari-medseg measure`` and ``compare``: how big it is, and how good."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from napari_medseg.cli.report import (
    LABEL_MAP,
    check_label_maps,
    fail,
    print_json,
    refuse,
    run_job,
    say,
    say_findings,
    sentence_of,
)
from napari_medseg.io.grid import GridError, under
from napari_medseg.io.tables import as_text
from napari_medseg.io.units import short

if TYPE_CHECKING:
    import pandas as pd

    from napari_medseg.engine.results import Progress
    from napari_medseg.io.geometry import Geometry
    from napari_medseg.io.images import ImageFile
    from napari_medseg.io.label_file import LabelFile

Csv = Annotated[Path | None, typer.Option(help="Save the table for a spreadsheet.", metavar="FILE")]
Json = Annotated[bool, typer.Option("--json", help="Print the table as JSON.")]


def measure(
    labels: Annotated[Path, typer.Argument(help=LABEL_MAP)],
    image: Annotated[
        Path | None,
        typer.Option(help="The image it belongs to; adds intensities, and spacing if need be."),
    ] = None,
    csv: Csv = None,
    json_: Json = False,
) -> None:
    """Measure each class: size, outline, diameters, place, and how bright the image is there."""
    from napari_medseg.engine.measure.regions import measure_job
    from napari_medseg.io.labels import read_labels, with_axes_of
    from napari_medseg.io.volume import read_volume

    check_label_maps(labels)
    _check_image(image)
    _check_target(csv, labels, image)
    try:
        scan = read_volume(image) if image is not None else None
        found = read_labels(labels, scan)
        say_findings(labels, found.findings)
        if image is not None and scan is not None:
            say_findings(image, scan.findings, but=found.findings)
        if scan is not None:
            found = with_axes_of(found, scan.data.shape[: scan.n_axes], scan.geometry)
        values, geometry = _image_for(found, scan)
        if values is not None and values.shape[: found.labels.ndim] != found.labels.shape:
            refuse(f"{image} has another size than {labels}; give the image that was segmented.")
        names, units = found.class_names or None, short(geometry.units)
        job = measure_job(found.labels, geometry.spacing, values, names, units=units)
        table = _finish(job, labels.name, csv)
    except GridError as error:
        refuse(str(error))
    except (ValueError, OSError, MemoryError) as error:
        _fail("measure", {"labels": str(labels)}, error, json_)
    if table.empty:
        say(f"{labels} is empty: there is nothing to measure.")
    _report("measure", table, {"labels": str(labels)}, geometry, json_)


def compare(
    prediction: Annotated[Path, typer.Argument(help=LABEL_MAP)],
    reference: Annotated[Path, typer.Argument(help="The label map it is compared with.")],
    csv: Csv = None,
    json_: Json = False,
) -> None:
    """Say how well labels agree with a reference: Dice, IoU, HD95, ASSD, XOR and HM per class."""
    from napari_medseg.engine.measure.compare import compare_job
    from napari_medseg.engine.measure.matching import match_classes
    from napari_medseg.io.labels import on_one_grid, read_labels, with_axes_of

    check_label_maps(prediction, reference)
    _check_target(csv, prediction, reference)
    inputs = {"prediction": str(prediction), "reference": str(reference)}
    try:
        found, wanted = read_labels(prediction), read_labels(reference)
        say_findings(prediction, found.findings)
        say_findings(reference, wanted.findings)
        found = with_axes_of(found, wanted.labels.shape, wanted.geometry)
        arrays = on_one_grid(found, wanted)
        if arrays[0].shape != arrays[1].shape:
            refuse(
                f"{prediction} has the size {_size(found)}, {reference} {_size(wanted)}; bring one "
                "to the grid of the other first."
            )
        for path, each, array in zip((prediction, reference), (found, wanted), arrays, strict=True):
            if array.size > each.labels.size and not each.frame_of_reference:
                # a DICOM-SEG holds the planes with labels only, by the standard
                say(f"{path} covers only a part of the other; the rest of it counts as background.")
        geometry = _better_known(wanted.geometry, found.geometry)
        matched = match_classes(arrays[0], found.class_names, arrays[1], wanted.class_names)
        if matched.notice:
            say(matched.notice)
        job = compare_job(matched.prediction, arrays[1], geometry.spacing, matched.names)
        table = _finish(job, prediction.name, csv)
    except GridError as error:
        refuse(str(error))
    except (ValueError, OSError, MemoryError) as error:
        _fail("compare", inputs, error, json_)
    if table.empty:
        say(f"{prediction} and {reference} are empty: there is nothing to compare.")
    _report("compare", table, inputs, geometry, json_)


def _size(labels: LabelFile) -> str:
    return " × ".join(str(n) for n in labels.labels.shape)


def _check_image(image: Path | None) -> None:
    if image is not None and not image.exists():
        refuse(f"There is no such file: {image}; check the name.")


def _check_target(csv: Path | None, *read: Path | None) -> None:
    """Refuse to write a table over a file that is read, or where nothing can be written."""
    if csv is None:
        return
    if any(path is not None and csv.resolve() == path.resolve() for path in read):
        refuse(f"The table would overwrite {csv}; give it another name.")
    if csv.is_dir():
        refuse(f"{csv} is a folder; give the name of a file.")
    if not csv.absolute().parent.is_dir():
        refuse(f"There is no folder {csv.parent}; make it first.")


def _image_for(found: LabelFile, image: ImageFile | None) -> tuple[Any, Geometry]:
    """Give the pixels that lie under the labels, in their order, and the geometry of both.

    As far as the files say how they lie; where one does not know the patient, the image is given
    as it is.

    Raises
    ------
    GridError
        Where both know the patient, and the labels do not lie on voxels of the image.
    """
    if image is None:
        return None, found.geometry
    values, volume = image.data, image.data.ndim - image.rgb == found.labels.ndim == 3
    if volume and found.geometry.matrix and image.geometry.matrix:
        affine, onto = image.geometry.affine, found.geometry.affine
        values = under(values, affine, found.labels.shape, onto)
    return values, _better_known(found.geometry, image.geometry)


def _better_known(first: Geometry, second: Geometry) -> Geometry:
    """Give the first of two geometries unless only the second knows how large a pixel is."""
    same_axes = first.ndim == second.ndim
    return second if first.units == "pixel" != second.units and same_axes else first


def _finish(
    job: Generator[Progress, None, pd.DataFrame], title: str, csv: Path | None
) -> pd.DataFrame:
    """Run a job, and save its table where that is wanted."""
    from napari_medseg.io.tables import write_table

    table = run_job(job, title)
    if csv is not None:
        say(f"Saved: {write_table(csv, table)}")
    return table


def _fail(command: str, inputs: dict[str, str], error: Exception, json_: bool) -> NoReturn:
    sentence = sentence_of(error)
    if json_:
        print_json({"command": command} | inputs | {"error": sentence})
    fail(sentence)


def _report(
    command: str, table: pd.DataFrame, inputs: dict[str, str], geometry: Geometry, json_: bool
) -> None:
    if not json_:
        if table.empty:
            return
        typer.echo(as_text(table, short(geometry.units)))
        return
    place = {"spacing": list(geometry.spacing), "units": geometry.units}
    # JSON has no NaN: what cannot be said is null.
    rows = [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in table.astype(object).to_dict("records")
    ]
    print_json({"command": command} | inputs | place | {"rows": rows})
