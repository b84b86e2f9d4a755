"""Label maps as OME-Zarr (NGFF 0.5): a multiscale label image in a folder.

The metadata follow section 2 of the specification: ``multiscales`` with axes, units and a scale and
translation per level, and ``image-label`` with the classes. NGFF 0.5 knows no rotation, so the
exact geometry lies beside them in our own entry, with class names and provenance.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_medseg.io.atomic import SaveError, replacing_folder, split_suffix
from napari_medseg.io.atomic_steps import save_in_steps
from napari_medseg.io.errors import ReadError
from napari_medseg.io.findings import geometry_findings
from napari_medseg.io.formats.zarr_images import zarr_package
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.label_counts import counts_of
from napari_medseg.io.label_file import LabelFile, exact_labels
from napari_medseg.io.notes import NOTE_KEY, HasDict, make_note, noted_geometry
from napari_medseg.io.palette import class_colour
from napari_medseg.io.read_back import compare_steps
from napari_medseg.io.steps import Step, Steps, as_part, in_background

ZARR_SUFFIXES = (".ome.zarr", ".zarr")
_UNITS = {"mm": "millimeter", "um": "micrometer"}
_CHUNK = 256  # pixels along the sides of a chunk
_DEEPEST = 32  # planes of a chunk
_MOST_AT_ONCE = 2**25  # pixels that are written in one step
_SMALLEST = 128  # pixels along the longer side, below which there is no coarser level
_MOST_NAMED = 4096  # classes that get a colour and a name of their own


def zarr_label_steps(
    path: str | os.PathLike[str],
    labels: ArrayLike,
    geometry: Geometry,
    provenance: HasDict | Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> Steps[Path]:
    """Write a label map as OME-Zarr, a few planes at a time; it is read back and compared.

    Parameters
    ----------
    path : path-like
        The folder, ``.ome.zarr``; a label map that was written here is replaced as a whole, any
        other folder that holds something is refused.
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
    counts = yield from in_background(partial(counts_of, exact), "Looking at the labels")
    zarr = zarr_package(SaveError)
    levels = _levels(exact)
    described = _metadata(list(counts), geometry, class_names, len(levels))
    described |= json.loads(make_note(geometry, provenance, class_names))

    def write(folder: Path) -> Steps[None]:
        group = zarr.open_group(folder, mode="w", zarr_format=3)
        group.attrs.update(described)
        for number, level in enumerate(levels):
            yield from as_part(_level_steps(group, number, level), number, len(levels), "Writing")

    compare = partial(compare_steps, read=_stored, data=exact, geometry=geometry)
    opened = partial(replacing_folder, may_replace=is_label_map)
    return (yield from save_in_steps(path, write, compare, opened))


def read_zarr_labels(path: Path) -> LabelFile:
    """Give the label map of an OME-Zarr that this package wrote.

    Raises
    ------
    ReadError
        With one sentence, where it is none.
    """
    zarr = zarr_package()
    try:
        group = zarr.open_group(path, mode="r")
        array = np.asarray(group["0"][...])
        note = dict(group.attrs.get(NOTE_KEY, {}))
    except (OSError, KeyError, ValueError) as error:
        raise ReadError(f"{path.name} is no OME-Zarr that can be read here.") from error
    geometry = noted_geometry(note, array.ndim)
    if geometry is None:
        raise ReadError(f"{path.name} is no label map of napari-medseg.")
    names = tuple(str(name) for name in note.get("class_names", ()))
    stem = split_suffix(path.name)[0].removesuffix(".ome")
    made, found = note.get("provenance", {}), tuple(geometry_findings(geometry))
    return LabelFile(exact_labels(array), geometry, names, made, stem, found)


def is_label_map(folder: Path) -> bool:
    """Tell whether a folder is an OME-Zarr that `zarr_label_steps` wrote."""
    try:
        attributes = json.loads((folder / "zarr.json").read_text())["attributes"]
        return "image-label" in attributes["ome"] and NOTE_KEY in attributes
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _level_steps(group: Any, number: int, level: NDArray[Any]) -> Steps[None]:
    """Write one level, as many planes at a time as a chunk is deep: each chunk once."""
    deep = _depth(level) if level.ndim == 3 else 0
    flat = tuple(min(n, _CHUNK) for n in level.shape[-2:])
    array = group.create_array(
        str(number),
        shape=level.shape,
        dtype=level.dtype,
        chunks=(deep, *flat) if deep else flat,
        dimension_names=list("zyx"[-level.ndim :]),
    )
    if not deep:
        yield Step(0, 1, "Writing")
        array[...] = level
        return
    for start in range(0, len(level), deep):
        yield Step(start, len(level), "Writing")
        array[start : start + deep] = level[start : start + deep]


def _depth(level: NDArray[Any]) -> int:
    """Give how many planes a chunk holds: few files, but no step that takes long."""
    return max(1, min(_DEEPEST, len(level), _MOST_AT_ONCE // (level.shape[1] * level.shape[2])))


def _levels(labels: NDArray[Any]) -> list[NDArray[Any]]:
    """Give the labels and every second pixel of the level before: no value is ever mixed."""
    levels = [labels]
    while max(levels[-1].shape[-2:]) > 2 * _SMALLEST:
        levels.append(levels[-1][..., ::2, ::2])
    return levels


def _metadata(
    values: list[int], geometry: Geometry, class_names: Sequence[str] | None, n_levels: int
) -> dict[str, Any]:
    axes = [{"name": name, "type": "space"} for name in "zyx"[-geometry.ndim :]]
    if geometry.units in _UNITS:
        axes = [axis | {"unit": _UNITS[geometry.units]} for axis in axes]
    names = dict(enumerate(class_names or ()))
    values = values[:_MOST_NAMED]
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


def _stored(path: Path) -> tuple[NDArray[Any], Geometry]:
    found = read_zarr_labels(path)
    return found.labels, found.geometry
