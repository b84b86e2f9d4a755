"""Handing labels on: what is exported, taken from layers or files, and the job that writes it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medseg.engine.results import Progress, retold
from napari_medseg.io import label_formats as formats
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.grid import on_grid, same_place
from napari_medseg.io.label_counts import counts_of
from napari_medseg.io.label_formats import LabelFormat
from napari_medseg.io.notes import making_of
from napari_medseg.io.placement import geometry_of_labels
from napari_medseg.io.steps import Steps, in_background
from napari_medseg.session.export.source import Source, source_of
from napari_medseg.session.layers.geometry_of import placement_of
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.layers.stack import full_resolution, shape_of
from napari_medseg.session.layers.subject import patient_geometries, why_not_together

if TYPE_CHECKING:
    from napari.layers import Image, Labels

    from napari_medseg.io.formats.dicom.seg_writing import SegOptions

_READING = "Reading the labels"


@dataclass(frozen=True)
class Export:
    """What is handed on; a snapshot, so that nothing a person does meanwhile reaches it.

    Parameters
    ----------
    labels : array
        Class index per pixel, (H, W) or (Z, H, W).
    geometry : Geometry
        Of `labels`.
    class_names : tuple of str
        Name of each index from 0 on.
    provenance : mapping
        What made the labels.
    source : Source
        The files of the image.
    image : array, optional
        The image itself, for formats that hold it too.
    rgb : bool
        Whether the image is in colour.
    channel : str
        What a grey image is, such as ``"CT"``.
    """

    labels: Any
    geometry: Geometry
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    source: Source = field(default_factory=Source)
    image: Any = None
    rgb: bool = False
    channel: str = "image"


@dataclass(frozen=True)
class Exported:
    """What was written, after it was read back and found equal."""

    path: Path
    classes: int
    voxels: int

    def __str__(self) -> str:
        classes = "1 class" if self.classes == 1 else f"{self.classes} classes"
        voxels = "1 voxel" if self.voxels == 1 else f"{self.voxels:,} voxels"
        return f"saved and read back: {classes}, {voxels}, geometry equal"


def export_of(labels: Labels, image: Image | None = None) -> Export:
    """Take a snapshot of a labels layer, and of what is known about the image it belongs to.

    Parameters
    ----------
    labels : napari Labels
        Of two or three axes.
    image : napari Image, optional
        What it was painted on.

    Raises
    ------
    ValueError
        With one sentence, where the two do not belong together.
    """
    shape = shape_of(labels)
    if len(shape) not in (2, 3):
        raise ValueError(
            f"“{labels.name}” has {len(shape)} axes, and files of labels hold a plane or a volume; "
            "give one point of its time."
        )
    data, geometry = _placed(labels, image)
    notes = notes_of(labels)
    made = making_of(notes, full_resolution(labels))
    return Export(
        np.array(data) if isinstance(data, np.ndarray) else data,
        geometry,
        tuple(str(name) for name in notes.get("class_names") or ()),
        _plain(made),
        source_of(image if image is not None else labels),
        full_resolution(image) if image is not None else None,
        bool(image is not None and image.rgb),
        channel_of(notes_of(image).get("value_unit", "") if image else ""),
    )


def _placed(labels: Labels, image: Image | None) -> tuple[Any, Geometry]:
    """Give the labels in the order in which their image is stored, and where they lie.

    What the files of both say of the patient decides, wherever they are shown: each layer is shown
    from its own first voxel on. Where one of them says nothing, their places on the screen do.

    Raises
    ------
    ValueError
        Where they do not lie on the voxels of the image, or have another size.
    """
    data, placed, ndim = full_resolution(labels), placement_of(labels), len(shape_of(labels))
    if image is None:
        return data, geometry_of_labels(placed, ndim)
    reason = why_not_together(labels, image)
    if reason:
        raise ValueError(reason)
    under, files = placement_of(image), patient_geometries(labels, image)
    if files is None or same_place(shape_of(labels), *files):
        return data, geometry_of_labels(placed, ndim, under)
    of_labels, of_image = (geometry.affine for geometry in files)
    return on_grid(data, of_labels, shape_of(image), of_image), geometry_of_labels(under, ndim)


def channel_of(value_unit: str) -> str:
    """Give what nnU-Net calls an image: it treats Hounsfield units in a way of its own."""
    return "CT" if value_unit == "HU" else "image"


def export_job(
    export: Export,
    format_: LabelFormat,
    target: Path,
    *,
    seg: SegOptions | None = None,
    case: str = "",
) -> Generator[Progress, None, Exported]:
    """Write labels, read them back and compare.

    Parameters
    ----------
    export : Export
        What.
    format_ : LabelFormat
        As what.
    target : Path
        Where; of an nnU-Net dataset its folder.
    seg : SegOptions, optional
        How a DICOM-SEG is written.
    case : str
        Name of the case in an nnU-Net dataset.

    Returns
    -------
    Exported

    Raises
    ------
    ValueError, ReadError, SaveError
        With one sentence; what was there before is then untouched.
    """
    is_of_image = export.image is not None or export.source.kind == "dicom"
    if is_of_image and export.source.holds(target):
        raise ValueError(f"{target.name} is the image itself: give the labels another name.")
    yield Progress(0, 1, _READING)
    steps = _exported(export, format_, target, seg, case)
    return (yield from retold(steps, lambda step: Progress(*step)))


def _exported(
    export: Export,
    format_: LabelFormat,
    target: Path,
    seg: SegOptions | None,
    case: str,
) -> Steps[Exported]:
    """Count first, so that nothing is left to do, and to cancel, once the file has its name."""
    labels = yield from in_background(lambda _: np.asarray(export.labels), _READING)
    counts = yield from in_background(partial(counts_of, labels), _READING)
    path = yield from _steps(export, labels, format_, target, seg, case)
    return Exported(Path(path), len(counts), sum(counts.values()))


def _steps(
    export: Export,
    labels: Any,
    format_: LabelFormat,
    target: Path,
    seg: SegOptions | None,
    case: str,
) -> Steps[Path]:
    names, made = export.class_names, export.provenance
    if format_ is formats.DICOM_SEG:
        from napari_medseg.io.formats.dicom.seg_writing import SegOptions, dicom_seg_steps

        options = replace(seg or SegOptions(), series=export.source.series)
        files = export.source.files if export.source.kind == "dicom" else ()
        return dicom_seg_steps(target, labels, export.geometry, files, options, made, names)
    if format_ is formats.OME_ZARR:
        from napari_medseg.io.formats.zarr_labels import zarr_label_steps

        return zarr_label_steps(target, labels, export.geometry, made, names)
    like = export.source.files[0] if export.source.kind == "nifti" else None
    if format_ is formats.NNUNET:
        return _case_steps(export, labels, target, case, like)
    from napari_medseg.io.labels import label_steps

    return label_steps(target, labels, export.geometry, made or None, names or None, like)


def _case_steps(
    export: Export, labels: Any, dataset: Path, name: str, like: Path | None
) -> Steps[Path]:
    from napari_medseg.io.formats.nnunet import NnunetCase, nnunet_steps

    image = yield from in_background(lambda _: np.asarray(export.image), "Reading the image")
    where = export.geometry, export.class_names, export.channel, like
    return (yield from nnunet_steps(dataset, NnunetCase(name, image, export.rgb, labels, *where)))


def _plain(value: Any) -> Any:
    """Give notes as values that JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (Sequence, set, frozenset)) and not isinstance(value, str):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return _plain(value.as_dict()) if hasattr(value, "as_dict") else str(value)
