"""Label maps as OME-Zarr (NGFF 0.5): a multiscale label image in a folder.

The metadata follow section 2 of the specification: ``multiscales`` with axes, units and a scale and
translation per level, and ``image-label`` with the classes. NGFF 0.5 knows no rotation, so the
exact geometry lies beside them in our own entry, with class names and provenance.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_medseg.io.atomic import SaveError, reading_back, replacing_folder, split_suffix
from napari_medseg.io.errors import ReadError
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.grid import same_place
from napari_medseg.io.labels import LabelFile, exact_labels
from napari_medseg.io.notes import NOTE_KEY, HasDict, make_note, noted_geometry
from napari_medseg.io.photos import class_colour
from napari_medseg.io.steps import Step, Steps, in_background

ZARR_SUFFIXES = (".ome.zarr", ".zarr")
_UNITS = {"mm": "millimeter", "um": "micrometer"}
_CHUNK = 256
_SMALLEST = 128  # pixels along the longer side, below which there is no coarser level
_MOST_NAMED = 4096  # classes that get a colour and a name of their own


def zarr_label_steps(
    path: str | os.PathLike[str],
    labels: ArrayLike,
    geometry: Geometry,
    provenance: HasDict | Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> Steps[Path]:
    """Write a label map as OME-Zarr, plane by plane; it is read back and compared.

    Parameters
    ----------
    path : path-like
        The folder, ``.ome.zarr``; one that is an OME-Zarr already is replaced as a whole, any other
        that holds something is refused.
    labels : array-like of integers, shape (H, W) or (Z, H, W)
        Class index per pixel; stored in the smallest unsigned type that holds it exactly.
    geometry : Geometry
        Of `labels`.
    provenance, class_names :
        As in `write_labels`.

    Returns
    -------
    Path
        Where the folder is.

    Raises
    ------
    ValueError, SaveError
        With one sentence, where it cannot be saved; what was there before is untouched.
    """
    exact = yield from in_background(lambda _: exact_labels(labels), "Looking at the labels")
    levels = _levels(exact)
    zarr = _zarr()
    with replacing_folder(path, is_ome_zarr) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=3)
        note = json.loads(make_note(geometry, provenance, class_names))
        group.attrs.update(_metadata(exact, geometry, class_names, len(levels)) | note)
        for number, level in enumerate(levels):
            chunks = (1,) * (level.ndim - 2) + tuple(min(n, _CHUNK) for n in level.shape[-2:])
            array = group.create_array(
                str(number),
                shape=level.shape,
                dtype=level.dtype,
                chunks=chunks,
                dimension_names=list("zyx"[-level.ndim :]),
            )
            planes = level if level.ndim == 3 else level[None]
            for n, plane in enumerate(planes):
                if number == 0:
                    yield Step(n, len(planes), "Writing")
                array[n if level.ndim == 3 else ...] = plane
        yield Step(1, 1, "Reading back and comparing")
        with reading_back(temporary, path):
            yield from in_background(
                lambda _: _compare(temporary, exact, geometry), "Reading back and comparing", 1, 1
            )
    return Path(os.path.realpath(path))


def read_zarr_labels(path: Path) -> LabelFile:
    """Give the label map of an OME-Zarr that this package wrote.

    Raises
    ------
    ReadError
        With one sentence, where it is none.
    """
    try:
        group = _zarr().open_group(path, mode="r")
        array = np.asarray(group["0"][...])
        note = dict(group.attrs.get(NOTE_KEY, {}))
    except (OSError, KeyError, ValueError) as error:
        raise ReadError(f"{path.name} is no OME-Zarr that can be read here.") from error
    geometry = noted_geometry(note, array.ndim)
    if geometry is None:
        raise ReadError(f"{path.name} is no label map of napari-medseg.")
    names = tuple(str(name) for name in note.get("class_names", ()))
    stem = split_suffix(path.name)[0].removesuffix(".ome")
    return LabelFile(exact_labels(array), geometry, names, note.get("provenance", {}), stem)


def is_ome_zarr(folder: Path) -> bool:
    """Tell whether a folder is an OME-Zarr of version 0.5, and so may be replaced by one."""
    return "multiscales" in _attributes(folder).get("ome", {})


def is_label_map(folder: Path) -> bool:
    """Tell whether a folder is an OME-Zarr that `zarr_label_steps` wrote."""
    attributes = _attributes(folder)
    return "image-label" in attributes.get("ome", {}) and NOTE_KEY in attributes


def _attributes(folder: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((folder / "zarr.json").read_text()).get("attributes", {}))
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _levels(labels: NDArray[Any]) -> list[NDArray[Any]]:
    """Give the labels and every second pixel of the level before: no value is ever mixed."""
    levels = [labels]
    while max(levels[-1].shape[-2:]) > 2 * _SMALLEST:
        levels.append(levels[-1][..., ::2, ::2])
    return levels


def _metadata(
    labels: NDArray[Any], geometry: Geometry, class_names: Sequence[str] | None, n_levels: int
) -> dict[str, Any]:
    axes = [{"name": name, "type": "space"} for name in "zyx"[-labels.ndim :]]
    if geometry.units in _UNITS:
        axes = [axis | {"unit": _UNITS[geometry.units]} for axis in axes]
    names = dict(enumerate(class_names or ()))
    values = [int(value) for value in np.unique(labels) if value][:_MOST_NAMED]
    return {
        "ome": {
            "version": "0.5",
            "multiscales": [
                {
                    "name": "labels",
                    "axes": axes,
                    "datasets": [_dataset(geometry, level) for level in range(n_levels)],
                    "type": "nearest",
                }
            ],
            "image-label": {
                "colors": [{"label-value": v, "rgba": [*class_colour(v), 255]} for v in values],
                "properties": [
                    {"label-value": v, "class": names.get(v) or f"class {v}"} for v in values
                ],
            },
        }
    }


def _dataset(geometry: Geometry, level: int) -> dict[str, Any]:
    factors = [1] * (geometry.ndim - 2) + [2**level] * 2
    scale = [size * factor for size, factor in zip(geometry.spacing, factors, strict=True)]
    transformations: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
    # Each level keeps the first pixel of the one before, so all of them start in the same place. A
    # place says nothing where the axes are turned, which only our own entry can tell.
    if np.array_equal(geometry.direction, np.eye(geometry.ndim)):
        transformations.append({"type": "translation", "translation": list(geometry.origin)})
    return {"path": str(level), "coordinateTransformations": transformations}


def _compare(path: Path, labels: NDArray[Any], geometry: Geometry) -> None:
    found = read_zarr_labels(path)
    if not np.array_equal(found.labels, labels):
        raise ValueError("the labels in the file differ from those that were to be saved.")
    if not same_place(labels.shape, geometry, found.geometry):
        raise ValueError("the labels in the file lie elsewhere than those that were to be saved.")


def _zarr() -> ModuleType:
    try:
        import zarr
    except ImportError:
        raise SaveError(
            "OME-Zarr needs the package zarr; install it with pip install 'napari-medseg[ngff]'."
        ) from None
    return zarr
