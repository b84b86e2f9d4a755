"""Files as napari layers, with their spacing: what the plugin's readers give.

Only plain tuples (data, attributes, kind) are made here, so that nothing of napari is needed.
Arrays come in the order (Z, Y, X) or (Y, X). ``metadata["medseg"]`` holds the exact ``"geometry"``
and, for labels, ``"class_names"`` and ``"provenance"``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import ImageFile, read_image
from napari_medseg.io.labels import LabelFile, read_labels, write_labels
from napari_medseg.io.notes import noted_geometry

LayerData = tuple[Any, dict[str, Any], str]
_UNITS = {"mm": "mm", "millimeter": "mm", "um": "um", "µm": "um", "micrometer": "um"}
READER_SUFFIXES = (".ome.tif", ".ome.tiff", ".nii", ".nii.gz")
"""What the plugin offers to open; napari's own reader knows the spacing of none of them."""


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[LayerData]] | None:
    """Give the function that reads these files, or None where one of them is not ours."""
    paths = [path] if isinstance(path, str) else list(path)
    ours = all(
        name.lower().endswith(READER_SUFFIXES) and os.path.isfile(name) for name in map(str, paths)
    )
    return read_layers if paths and ours else None


def read_layers(path: str | Sequence[str]) -> list[LayerData]:
    """Read a file into a layer; a label map that this package wrote becomes labels.

    Several files, which napari gives when it is asked to stack them, become one volume where they
    are planes of one size and kind, else one layer each.

    Raises
    ------
    ReadError
        With one sentence, where a file cannot be read.
    """
    paths = [path] if isinstance(path, str) else path
    if len(paths) > 1:
        images = [read_image(str(name)) for name in paths]
        kinds = {(image.data.shape, image.data.dtype, image.rgb) for image in images}
        if len(kinds) == 1 and images[0].geometry.ndim == 2:
            return [image_layer(_stacked(images))]
    return [_layer(str(name)) for name in paths]


def write_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer; gives the paths written, as napari wants it.

    Raises
    ------
    ValueError, SaveError
        As `write_labels`.
    """
    notes = attributes.get("metadata", {}).get("medseg", {})
    made_by = {key: notes[key] for key in ("provenance", "accepted") if notes.get(key)}
    labels = np.asarray(data)
    write_labels(
        path, labels, geometry_of_layer(attributes, labels.ndim), made_by, notes.get("class_names")
    )
    return [path]


def geometry_of_layer(attributes: Mapping[str, Any], ndim: int) -> Geometry:
    """Give the geometry of a layer: what its file said, or else its scale, position and units."""
    notes = attributes.get("metadata", {}).get("medseg", {})
    scale = tuple(abs(float(s)) for s in attributes.get("scale", (1.0,) * ndim))
    noted = noted_geometry(notes, ndim)
    if noted is not None and np.allclose(noted.spacing, scale, rtol=1e-6):
        return noted
    units = {_UNITS.get(str(unit), "pixel") for unit in attributes.get("units") or ("pixel",)}
    origin = tuple(float(t) for t in attributes.get("translate", (0.0,) * ndim))
    return Geometry(scale, origin, units=units.pop() if len(units) == 1 else "pixel")


def image_layer(image: ImageFile, **attributes: Any) -> LayerData:
    """Give an image as a layer; further attributes of the layer win."""
    metadata = {"medseg": {"geometry": image.geometry.as_dict()}}
    placed = _placed(image.geometry, image.name, metadata)
    return image.data, placed | {"rgb": image.rgb} | attributes, "image"


def labels_layer(labels: LabelFile, **attributes: Any) -> LayerData:
    """Give a label map as a layer; further attributes of the layer win."""
    metadata = {
        "medseg": {
            "geometry": labels.geometry.as_dict(),
            "class_names": list(labels.class_names),
            "provenance": dict(labels.provenance),
        }
    }
    return labels.labels, _placed(labels.geometry, labels.name, metadata) | attributes, "labels"


def _stacked(planes: Sequence[ImageFile]) -> ImageFile:
    """Give planes as a volume; nothing says how far apart they lie, so it is a pixel's height."""
    first = planes[0]
    y, x = first.geometry.spacing
    geometry = Geometry((y, y, x), units=first.geometry.units)
    return ImageFile(np.stack([plane.data for plane in planes]), geometry, first.rgb, first.name)


def _layer(name: str) -> LayerData:
    image = read_image(name)
    if image.data.dtype.kind == "u" and not image.rgb:
        labels = read_labels(name)
        if labels.class_names or labels.provenance:
            return labels_layer(labels)
    return image_layer(image)


def _placed(geometry: Geometry, name: str, metadata: dict[str, Any]) -> dict[str, Any]:
    placed: dict[str, Any] = {
        "name": name,
        "scale": geometry.spacing,
        "axis_labels": tuple("zyx"[-geometry.ndim :]),
        "units": (geometry.units,) * geometry.ndim,
        "metadata": metadata,
    }
    if geometry.matrix:
        placed["affine"] = _upright(geometry)
    return placed


def _upright(geometry: Geometry) -> np.ndarray:
    """Turn a patient's image the way it is looked at: front up, the patient's right on the left.

    Only mirrors, and only for axes that lie within 45 degrees of the patient's; other orders of
    the axes are shown as they are stored.
    """
    n = geometry.ndim
    direction = np.array(geometry.direction)
    flips = np.eye(n + 1)
    if np.array_equal(np.abs(direction).argmax(axis=0), np.arange(n)):
        # napari draws y downwards and x to the right; the patient's axes go up, front and right.
        shown = np.sign(np.diag(direction)) * np.array([1.0, -1.0, -1.0])[-n:]
        flips[:n, :n] = np.diag(shown)
    return flips
