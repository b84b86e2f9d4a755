"""``napari-medseg export``: hand a label map on in another kind of file, where its image lies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from napari_medseg.cli.export_target import refuse_to_replace, target_of
from napari_medseg.cli.options import Json, Series
from napari_medseg.cli.report import (
    LABEL_MAP,
    check_label_maps,
    fail,
    print_json,
    refuse,
    refusing,
    run_job,
    say,
    say_findings,
    sentence_of,
)
from napari_medseg.io.errors import ChoiceError

if TYPE_CHECKING:
    from napari_medseg.io.formats.dicom.seg_writing import SegOptions
    from napari_medseg.io.images import ImageFile
    from napari_medseg.io.label_file import LabelFile
    from napari_medseg.io.label_formats import LabelFormat
    from napari_medseg.session.export.jobs import Export


class Target(StrEnum):
    """Kinds of file that label maps leave as."""

    nifti = "nifti"
    dicom_seg = "dicom-seg"
    ome_tiff = "ome-tiff"
    ome_zarr = "ome-zarr"
    png = "png"
    nnunet = "nnunet"


Labels = Annotated[Path, typer.Argument(help=LABEL_MAP)]
To = Annotated[Target, typer.Option(help="What to write.")]
Out = Annotated[
    Path,
    typer.Option(
        "-o", "--out", help="File or folder to write to; the dataset for nnunet.", metavar="OUT"
    ),
]
Like = Annotated[
    Path | None,
    typer.Option(
        help="The image it belongs to, for DICOM the folder of the series; gives spacing and "
        "position."
    ),
]
Labelmap = Annotated[
    bool, typer.Option("--labelmap", help="DICOM-SEG as one label map; newer archives only.")
]
Deidentify = Annotated[bool, typer.Option("--deidentify", help="DICOM-SEG without the patient.")]
Terms = Annotated[
    list[str] | None,
    typer.Option(
        help="What a class is in DICOM-SEG: lesion=Neoplasm or lesion=SCT:108369006:Neoplasm.",
        metavar="CLASS=TERM",
    ),
]
CaseName = Annotated[
    str | None, typer.Option(help="Name of the nnU-Net case; the label file's by default.")
]

Replace = Annotated[
    bool, typer.Option("--replace", help="A file or a case that is there already may go.")
]


@dataclass(frozen=True)
class _Wanted:
    """What is written, and how."""

    export: Export
    seg: SegOptions
    name: str


def export(
    labels: Labels,
    to: To,
    out: Out,
    like: Like = None,
    series: Series = None,
    labelmap: Labelmap = False,
    deidentify: Deidentify = False,
    term: Terms = None,
    case: CaseName = None,
    replace_: Replace = False,
    json_: Json = False,
) -> None:
    """Write a label map as another kind of file; it is read back and compared."""
    from napari_medseg.io.label_formats import FORMATS
    from napari_medseg.session.export.jobs import export_job

    _check_inputs(labels, like)
    format_ = FORMATS[to.value]
    with refusing(ValueError):
        target = target_of(labels, like, out, format_)
    try:
        image = _image(like, series, format_) if like is not None else None
        wanted = _wanted(labels, like, image, format_, (labelmap, deidentify, term or []))
        name = case or wanted.name
        if not replace_:
            refuse_to_replace(target, format_, name)
        job = export_job(wanted.export, format_, target, seg=wanted.seg, case=name)
        written = run_job(job, labels.name)
    except (ValueError, OSError, MemoryError) as error:
        _leave(error)
    say(f"{labels} -> {target}: {written}.")
    if json_:
        geometry = wanted.export.geometry
        place = {"spacing": list(geometry.spacing), "units": geometry.units}
        counts = {"classes": written.classes, "voxels": written.voxels}
        files = {"input": str(labels), "output": str(target)}
        print_json({"command": "export"} | files | place | counts)


def _check_inputs(labels: Path, like: Path | None) -> None:
    check_label_maps(labels)
    if like is not None and not like.exists():
        refuse(f"There is no such file: {like}; check the name.")


def _leave(error: ValueError | OSError | MemoryError) -> NoReturn:
    """Leave: 2 where what was asked for cannot be done, 1 where a file could not be used."""
    of_a_file = isinstance(error, OSError) and not isinstance(error, ChoiceError)
    if of_a_file or not isinstance(error, ValueError):
        fail(sentence_of(error))
    refuse(str(error))


def _wanted(
    labels: Path,
    like: Path | None,
    image: ImageFile | None,
    format_: LabelFormat,
    seg: tuple[bool, bool, list[str]],
) -> _Wanted:
    """Read the labels and say how they are written; leave where they cannot be, as asked for."""
    from napari_medseg.io.labels import read_labels

    found = read_labels(labels, image)
    say_findings(labels, found.findings)
    if like is not None and image is not None:
        _refuse_another_patient(labels, like, image)
        say_findings(like, image.findings, but=found.findings)
    with refusing(ValueError):
        return _Wanted(_export(found, like, image, format_), _seg_options(found, *seg), found.name)


def _refuse_another_patient(labels: Path, like: Path, image: ImageFile) -> None:
    """Make sure that labels that name a patient do not become those of another.

    Raises
    ------
    ValueError
        Where both name one, and not the same.
    """
    from napari_medseg.io.formats.dicom.patients import are_of_two_patients, first_file

    if are_of_two_patients(labels, first_file(image.source)):
        raise ValueError(f"{labels.name} and {like.name} are of different patients.")


def _image(path: Path, series: str | None, format_: LabelFormat) -> ImageFile:
    """Give the image; where it only says where labels lie, it may have times and channels."""
    from napari_medseg.io.images import read_image
    from napari_medseg.io.label_formats import NNUNET
    from napari_medseg.io.volume import read_volume

    read = read_image if format_ is NNUNET else read_volume
    return read(path, int(series) if series is not None and series.isdecimal() else series)


def _export(
    found: LabelFile, like: Path | None, image: ImageFile | None, format_: LabelFormat
) -> Export:
    """Put labels and the image they belong to together.

    Raises
    ------
    ValueError
        Where they do not belong together, or cannot leave in this format.
    """
    from napari_medseg.io.label_formats import PNG, why_not
    from napari_medseg.session.export.jobs import Export, channel_of
    from napari_medseg.session.export.source import Source

    source = Source.of_path(like) if like is not None else Source()
    if image is not None and source.kind == "dicom":
        source = replace(source, series=str(image.source.get("series", "")))
    array, geometry = found.labels, found.geometry
    if image is not None:
        array, geometry = _on_image(found, image)
    missing = why_not(format_, array.ndim, source.kind == "dicom", image is not None)
    if missing:
        raise ValueError(missing if format_ is PNG else f"{missing} Give it with --like.")
    return Export(
        array,
        geometry,
        found.class_names,
        dict(found.provenance),
        source,
        None if image is None else image.data,
        bool(image is not None and image.rgb),
        channel_of(image.value_unit if image is not None else ""),
    )


def _on_image(found: LabelFile, image: ImageFile) -> tuple[Any, Any]:
    """Give the labels in the order in which the image is stored, and the image's geometry.

    Raises
    ------
    ValueError
        Where they do not lie on the voxels of the image, or have another size.
    """
    from napari_medseg.io.grid import on_grid

    shape = image.data.shape[image.n_axes - image.geometry.ndim : image.n_axes]
    both_placed = found.geometry.matrix and image.geometry.matrix
    if both_placed and found.labels.ndim == len(shape) == 3:
        onto = image.geometry.affine
        return on_grid(found.labels, found.geometry.affine, shape, onto), image.geometry
    if tuple(n for n in shape if n > 1) != tuple(n for n in found.labels.shape if n > 1):
        raise ValueError(
            f"The label map has the size {found.labels.shape}, the image {shape}; give the image "
            "that it was made from."
        )
    return found.labels.reshape(shape), image.geometry


def _seg_options(
    found: LabelFile, labelmap: bool, deidentify: bool, terms: list[str]
) -> SegOptions:
    """Give how a DICOM-SEG is written.

    Raises
    ------
    ValueError
        Where a term is not known, or names a class that is not there.
    """
    from napari_medseg.io.formats.dicom.seg_writing import SegOptions
    from napari_medseg.io.formats.dicom.terms import parse_term

    values = {name: value for value, name in enumerate(found.class_names) if value and name}
    chosen = {}
    for entry in terms:
        name, _, text = entry.partition("=")
        value = values.get(name.strip()) or (int(name) if name.strip().isdecimal() else None)
        if value is None or not text:
            known = ", ".join(values) or "1, 2, ..."
            raise ValueError(f"--term {entry} names no class; say it as CLASS=TERM, of {known}.")
        chosen[value] = parse_term(text)
    return SegOptions(labelmap, deidentify, chosen)
