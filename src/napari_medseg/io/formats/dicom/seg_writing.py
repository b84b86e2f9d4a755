"""Writing a label map as DICOM Segmentation (DICOM-SEG) of the images it was painted on.

The file is read back with pydicom alone, by the position formula of the standard, and compared with
what was meant, frame by frame, before it gets its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_medseg.io.atomic_steps import save_in_steps
from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.dicom.deidentify import (
    METHOD,
    days_of,
    deidentified,
    moved_date,
    pseudonym_key,
)
from napari_medseg.io.formats.dicom.grid import unevenness
from napari_medseg.io.formats.dicom.headers import quiet
from napari_medseg.io.formats.dicom.seg_check import Meant, check_segmentation
from napari_medseg.io.formats.dicom.seg_segments import (
    LONGEST_WORD,
    Segment,
    description,
    import_highdicom,
    numbered,
    segments_of,
)
from napari_medseg.io.formats.dicom.source import SourceImage, source_steps, why_not_referred
from napari_medseg.io.formats.dicom.terms import ClassTerm
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.grid import GridError, on_grid
from napari_medseg.io.hush import hushed
from napari_medseg.io.label_file import exact_labels
from napari_medseg.io.notes import HasDict, fields_of
from napari_medseg.io.steps import Step, Steps, finish, in_background

if TYPE_CHECKING:
    from pydicom import Dataset

_MAKER = "napari-medseg"
_TALKERS = ("base", "content", "frame", "image", "seg.sop", "spatial")
"""Modules of highdicom that log what they do on the way to a segmentation."""
_POSE = ("ImagePositionPatient", "ImageOrientationPatient")
_MUST_HAVE = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "StudyID", "AccessionNumber", "ReferringPhysicianName"),
    "PositionReferenceIndicator",
)
"""Entries that are empty where the image does not have them (type 2 of the standard)."""


@dataclass(frozen=True)
class SegOptions:
    """How a DICOM-SEG is written.

    Parameters
    ----------
    labelmap : bool
        One plane of class numbers per slice instead of one mask per class and slice. Smaller, but
        older archives do not know it.
    deidentify : bool
        Leave the patient out; see `deidentified`.
    terms : mapping of int to ClassTerm
        What each class is; by its name where it is not given here.
    series : str
        Series instance UID of the images, where the files given belong to several.
    """

    labelmap: bool = False
    deidentify: bool = False
    terms: Mapping[int, ClassTerm] = field(default_factory=dict)
    series: str = ""


def write_dicom_seg(
    path: str | os.PathLike[str],
    labels: ArrayLike,
    geometry: Geometry | None,
    sources: Sequence[Path],
    options: SegOptions | None = None,
    provenance: HasDict | Mapping[str, Any] | None = None,
    class_names: Sequence[str] = (),
) -> Path:
    """Write a DICOM-SEG in one call; see `dicom_seg_steps`."""
    return finish(
        dicom_seg_steps(path, labels, geometry, sources, options, provenance, class_names)
    )


def dicom_seg_steps(
    path: str | os.PathLike[str],
    labels: ArrayLike,
    geometry: Geometry | None,
    sources: Sequence[Path],
    options: SegOptions | None = None,
    provenance: HasDict | Mapping[str, Any] | None = None,
    class_names: Sequence[str] = (),
) -> Steps[Path]:
    """Write a label map as DICOM-SEG, in steps; closing the generator cancels it.

    Parameters
    ----------
    path : path-like
        Where the file shall be.
    labels : array-like of integers, shape (H, W) or (Z, H, W)
        Class index per pixel.
    geometry : Geometry, optional
        Of `labels`. Where it knows the patient, it decides which voxel of the images each label
        belongs to; else the labels are taken to be stored as the images are.
    sources : sequence of Path
        The DICOM images that were painted on: files, or the folder of the series.
    options : SegOptions, optional
        How.
    provenance : object with ``as_dict``, or mapping, optional
        What made the labels; goes into the algorithm identification of each segment.
    class_names : sequence of str
        Name of each index from 0 on.

    Returns
    -------
    Path
        Where the file is.

    Raises
    ------
    ValueError, ReadError
        With one sentence, where the labels are empty, do not lie on these images, or the images
        cannot be read.
    SaveError
        Where the file could not be saved; what was there before is untouched.
    """
    options = options or SegOptions()
    meant = yield from _meant(labels, geometry, sources, options, class_names)
    write = partial(_write, meant=meant, options=options, made=fields_of(provenance))
    return (yield from save_in_steps(path, write, partial(check_segmentation, meant=meant)))


def _meant(
    labels: ArrayLike,
    geometry: Geometry | None,
    sources: Sequence[Path],
    options: SegOptions,
    class_names: Sequence[str],
) -> Steps[Meant]:
    """Lay the labels on their images and number them as segments."""

    def prepared(check: Callable[[], None]) -> tuple[NDArray[Any], list[Segment]]:
        exact = exact_labels(labels)
        check()
        return exact, segments_of(exact, class_names, options.terms, options.labelmap, check)

    def laid(_: Callable[[], None]) -> NDArray[np.unsignedinteger]:
        return numbered(_on_images(exact, geometry, source), segments)

    exact, segments = yield from in_background(prepared, "Looking at the labels", 0, 3)
    source = yield from source_steps(sources, options.series)
    reason = why_not_referred(source)
    if reason:
        raise ReadError(reason)
    volume = yield from in_background(laid, "Laying them on the images", 0, 3)
    return Meant(volume, source, segments)


def _write(path: Path, meant: Meant, options: SegOptions, made: Mapping[str, Any]) -> Steps[None]:
    def built(_: Callable[[], None]) -> Dataset:
        with quiet(), hushed(*(f"highdicom.{module}" for module in _TALKERS)):
            return _segmentation(meant, options, made)

    yield Step(0, 3, "Building the segmentation")
    dataset = yield from in_background(built, "Building the segmentation", 0, 3)
    yield Step(1, 3, "Writing")
    yield from in_background(partial(_save, dataset, path), "Writing", 1, 3)


def _save(dataset: Dataset, path: Path, _: Callable[[], None]) -> None:
    dataset.save_as(path, enforce_file_format=True)


def _on_images(
    labels: NDArray[Any], geometry: Geometry | None, source: SourceImage
) -> NDArray[np.unsignedinteger]:
    """Give labels (slice, row, column) as the images have them."""
    placed = geometry is not None and bool(geometry.matrix) and geometry.ndim == labels.ndim == 3
    if placed and geometry is not None and source.affine is not None:
        try:
            return on_grid(labels, geometry.affine, source.shape, source.affine)
        except GridError as error:
            uneven = unevenness(source.frames)
            if not uneven:
                raise
            raise GridError(
                f"These DICOM images are no volume: {uneven}; get the missing planes, or choose "
                "the images on which the labels were painted."
            ) from error
    volume = labels[None] if labels.ndim == 2 else labels
    if volume.shape != source.shape:
        raise GridError(
            f"The labels have the size {labels.shape}, the DICOM images {source.shape}; choose the "
            "images on which they were painted."
        )
    return volume


def _segmentation(meant: Meant, options: SegOptions, made: Mapping[str, Any]) -> Dataset:
    from pydicom.uid import generate_uid

    headers, entries = _headers(meant.source, options)
    small = max(segment.number for segment in meant.segments) < 256
    volume = meant.source.in_file_order(meant.volume).astype(np.uint8 if small else np.uint16)
    number = int(headers[0].get("SeriesNumber") or 0) % 10_000_000
    dataset: Dataset = import_highdicom().seg.Segmentation(
        source_images=headers,
        pixel_array=volume,
        segmentation_type="LABELMAP" if options.labelmap else "BINARY",
        segment_descriptions=[
            description(segment, made, with_time=not options.deidentify)
            for segment in meant.segments
        ],
        series_instance_uid=generate_uid(),
        series_number=number * 100 + 1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=_MAKER,
        manufacturer_model_name=_MAKER,
        software_versions=str(made.get("software") or _MAKER)[:LONGEST_WORD],
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description=f"Segmentation by {_MAKER}",
        content_creator_name="",
        series_description="Segmentation",
        specific_character_set="ISO_IR 192",
    )
    for keyword, value in entries.items():
        setattr(dataset, keyword, value)
    if options.deidentify:
        for item in dataset.ContributingEquipmentSequence:
            item.pop("ContributionDateTime", None)
    return dataset


def _headers(source: SourceImage, options: SegOptions) -> tuple[list[Dataset], dict[str, str]]:
    """Give the headers to make it from, and entries of the file that are set at the end."""
    if not options.deidentify:
        return [_completed(header) for header in source.headers], {}
    key = pseudonym_key()
    today = moved_date(date.today().strftime("%Y%m%d"), days_of(source.headers[0], key))
    entries = dict.fromkeys(("InstanceCreationDate", "ContentDate", "SeriesDate"), today)
    entries |= {"PatientIdentityRemoved": "YES", "DeidentificationMethod": METHOD}
    return [_completed(deidentified(header, key)) for header in source.headers], entries


def _completed(header: Dataset) -> Dataset:
    """Give a header that has every entry a segmentation must have, its text ready for UTF-8."""
    from pydicom import Dataset

    whole = Dataset()
    whole.update(header)
    whole.file_meta = header.file_meta
    for keyword in _MUST_HAVE:
        found = header.get(keyword)
        setattr(whole, keyword, "" if found is None else str(found))
    if "SliceThickness" not in whole:
        whole.SliceThickness = None  # highdicom asks for the entry, and leaves an empty one out
    if not all(header.get(keyword) for keyword in _POSE):
        for keyword in _POSE:
            whole.pop(keyword, None)
    whole.SpecificCharacterSet = "ISO_IR 192"
    return whole
