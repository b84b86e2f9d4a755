"""Files as napari layers, with their spacing: what the plugin's readers give.

Only plain tuples (data, attributes, kind) are made here, so that nothing of napari is needed.
Arrays come in the order (T, Z, Y, X) or the last of it. ``metadata["medseg"]`` holds the
exact ``"geometry"`` and ``"findings"``, sentences; for images ``"value_unit"`` and ``"source"``;
for labels ``"class_names"`` and ``"provenance"``, of a DICOM-SEG ``"frame_of_reference"``
and ``"file"``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_medseg.io.findings import DISTANCE_UNKNOWN, tell
from napari_medseg.io.formats.dicom.headers import DICOM_SUFFIXES, is_dicom
from napari_medseg.io.formats.dicom.series import Choose
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import IMAGE_SUFFIXES, ImageFile
from napari_medseg.io.label_file import LabelFile
from napari_medseg.io.labels import read_labels
from napari_medseg.io.notes import NOTE_KEY, layer_notes
from napari_medseg.io.units import PIXEL
from napari_medseg.io.volume import ZARR_SUFFIX, holds_image, read_volume

LayerData = tuple[Any, dict[str, Any], str]
READER_SUFFIXES = (*IMAGE_SUFFIXES, *DICOM_SUFFIXES)
"""What the plugin offers to open; napari's own reader knows the spacing of none of them, nor
which way up a photo is."""


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Give the function that reads these files or folders, or None where one is not ours."""
    paths = [path] if isinstance(path, str) else list(path)
    return read_layers if paths and all(_is_ours(Path(name)) for name in paths) else None


def read_layers(
    path: str | Sequence[str], choose: Choose | None = None, opened: Sequence[ImageFile] = ()
) -> list[LayerData]:
    """Read files and folders into layers; a label map that this package wrote becomes labels.

    Several files, which napari gives when it is asked to stack them, become one volume where they
    are planes of one size and kind, or DICOM of one series, else one layer each. Each DICOM folder
    gives its image and the segmentations of it; of several series the one that `choose` gives, or
    else the largest. A segmentation without its image is laid on one of those `opened` already,
    where it lies on that. What a reader found that matters is told as `FindingWarning`.

    Raises
    ------
    ReadError
        With one sentence, where a file cannot be read.
    """
    paths = [Path(path)] if isinstance(path, str) else [Path(name) for name in path]
    dicom: list[Path] = []
    others: list[Path] = []
    for each in paths:
        (dicom if _is_dicom(each) else others).append(each)
    return (_of_dicom(dicom, choose, opened) if dicom else []) + _of_others(others)


def _of_dicom(
    paths: Sequence[Path], choose: Choose | None, opened: Sequence[ImageFile]
) -> list[LayerData]:
    from napari_medseg.io.dicom_layers import dicom_together

    return [
        image_layer(found) if isinstance(found, ImageFile) else labels_layer(found)
        for found in _told(dicom_together(paths, choose, opened))
    ]


def _of_others(paths: Sequence[Path]) -> list[LayerData]:
    images = _told([read_volume(path) for path in paths])
    kinds = {(image.data.shape, image.data.dtype, image.rgb) for image in images}
    if len(images) > 1 and len(kinds) == 1 and images[0].geometry.ndim == 2:
        return [image_layer(image) for image in _told([_stacked(images)])]
    return [_layer(path, image) for path, image in zip(paths, images, strict=True)]


def image_layer(image: ImageFile, **attributes: Any) -> LayerData:
    """Give an image as a layer; further attributes of the layer win."""
    metadata = {
        NOTE_KEY: {
            "geometry": image.geometry.as_dict(),
            "findings": [finding.sentence for finding in image.findings],
            "value_unit": image.value_unit,
            "source": dict(image.source),
        }
    }
    placed = _placed(image.geometry, image.name, metadata, image.axes, image.step)
    placed["rgb"] = image.rgb
    if image.window is not None:
        placed["contrast_limits"] = image.window
    if image.negative:
        placed["colormap"] = "gray_r"
    if image.levels:
        placed["multiscale"] = True
        return [image.data, *image.levels], placed | attributes, "image"
    return image.data, placed | attributes, "image"


def labels_layer(labels: LabelFile, **attributes: Any) -> LayerData:
    """Give a label map as a layer; further attributes of the layer win."""
    metadata = {
        NOTE_KEY: {
            "geometry": labels.geometry.as_dict(),
            "findings": [finding.sentence for finding in labels.findings],
            "class_names": list(labels.class_names),
        }
        | ({"frame_of_reference": space} if (space := labels.frame_of_reference) else {})
        | ({"file": str(labels.file)} if labels.file else {})
        | layer_notes(labels.provenance)
    }
    return labels.labels, _placed(labels.geometry, labels.name, metadata) | attributes, "labels"


def _stacked(planes: Sequence[ImageFile]) -> ImageFile:
    """Give planes as a volume; nothing says how far apart they lie, so it is a pixel's height."""
    first = planes[0]
    y, x = first.geometry.spacing
    geometry = Geometry((y, y, x), units=first.geometry.units)
    findings = () if geometry.units == PIXEL else (DISTANCE_UNKNOWN,)
    data = np.stack([plane.data for plane in planes])
    return ImageFile(data, geometry, first.rgb, first.name, findings)


def _layer(path: Path, image: ImageFile) -> LayerData:
    if path.is_dir():
        from napari_medseg.io.formats.zarr_labels import is_label_map, read_zarr_labels

        return labels_layer(read_zarr_labels(path)) if is_label_map(path) else image_layer(image)
    if _may_be_labels(path, image):
        labels = read_labels(path)
        if labels.class_names or labels.provenance:
            return labels_layer(labels)
    return image_layer(image)


def _may_be_labels(path: Path, image: ImageFile) -> bool:
    if not isinstance(image.data, np.ndarray) or image.data.dtype.kind != "u":
        return False
    if image.rgb:
        from napari_medseg.io.formats.photos import is_indexed

        return path.suffix.lower() == ".png" and is_indexed(path)
    return image.n_axes == image.geometry.ndim


def _is_ours(path: Path) -> bool:
    return holds_image(path) or (
        path.is_file() and (path.name.lower().endswith(READER_SUFFIXES) or is_dicom(path))
    )


def _is_dicom(path: Path) -> bool:
    if path.is_dir():
        return path.suffix.lower() != ZARR_SUFFIX
    return path.suffix.lower() in DICOM_SUFFIXES or is_dicom(path)


def _told(found: list[Any]) -> list[Any]:
    """Warn of what was found, and give it back."""
    for entry in found:
        tell(getattr(entry, "findings", ()))
    return found


def _placed(
    geometry: Geometry,
    name: str,
    metadata: dict[str, Any],
    axes: tuple[str, ...] = (),
    step: tuple[float, str] = (1.0, "pixel"),
) -> dict[str, Any]:
    n_lead = max(len(axes) - geometry.ndim, 0)
    lead = [step if axis == "t" else (1.0, "pixel") for axis in axes[:n_lead]]
    placed: dict[str, Any] = {
        "name": name,
        "scale": (*(size for size, _ in lead), *geometry.spacing),
        "axis_labels": (*axes[:n_lead], *"zyx"[-geometry.ndim :]),
        "units": (*(unit for _, unit in lead), *(geometry.units,) * geometry.ndim),
        "metadata": metadata,
    }
    if geometry.matrix:
        turned = np.eye(n_lead + geometry.ndim + 1)
        turned[n_lead:, n_lead:] = _upright(geometry)
        placed["affine"] = turned
    return placed


def _upright(geometry: Geometry) -> np.ndarray:
    """Turn a patient's image the way it is looked at, by mirrors alone.

    Rows go from top to bottom, or from front to back; columns from the patient's right to the
    left, or from front to back; planes upwards. Axes are never exchanged and never turned, so
    that the planes on the screen are those of the file: an oblique or sheared image is shown on
    its own grid.
    """
    n = geometry.ndim
    direction = np.array(geometry.direction)
    towards = np.abs(direction).argmax(axis=0)
    up, front, right = np.arange(3) - (3 - n)
    counted = {  # the way in which each axis of the screen shall count in the patient
        n - 1: {right: -1.0, front: -1.0},
        n - 2: {up: -1.0, front: -1.0},
        n - 3: {up: 1.0},
    }
    flips = np.eye(n + 1)
    for axis in range(n):
        wanted = counted[axis].get(towards[axis])
        if wanted is not None:
            flips[axis, axis] = wanted * np.sign(direction[towards[axis], axis])
    return flips
