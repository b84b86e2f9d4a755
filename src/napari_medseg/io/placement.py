"""From where a layer lies on the screen to where its voxels lie in space.

A layer has a world: scale, shear, rotation and translation, then an affine. What its file said of
the patient is in its notes. Labels belong to the patient through the voxels of the image they were
painted on, wherever on the screen both have been moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.geometry import Geometry
from napari_medseg.io.notes import NOTE_KEY, noted_geometry
from napari_medseg.io.units import PIXEL, common_unit

_EXACT = 1e-6


def world_matrix(attributes: Mapping[str, Any], ndim: int) -> NDArray[np.float64]:
    """Give the matrix from array index to the world of a layer, from its attributes.

    Parameters
    ----------
    attributes : mapping
        As ``layer.as_layer_data_tuple()`` gives them; what is missing changes nothing.
    ndim : int
        Number of axes of the array.

    Returns
    -------
    ndarray of float64, shape (ndim + 1, ndim + 1)
    """
    placed = np.eye(ndim + 1)
    scale = _given(attributes, "scale", np.ones(ndim))
    rotate = _turn(attributes, ndim)
    shear = full_shear(_given(attributes, "shear", np.zeros(ndim * (ndim - 1) // 2)), ndim)
    placed[:ndim, :ndim] = rotate @ shear @ np.diag(scale)
    placed[:ndim, ndim] = _given(attributes, "translate", np.zeros(ndim))
    affine = _given(attributes, "affine", np.eye(ndim + 1))
    return np.asarray(affine, float) @ placed


def geometry_of_labels(
    labels: Mapping[str, Any], ndim: int, image: Mapping[str, Any] | None = None
) -> Geometry:
    """Give the geometry of a labels layer.

    Parameters
    ----------
    labels : mapping
        Attributes of the layer.
    ndim : int
        Number of its axes.
    image : mapping, optional
        Attributes of the image it belongs to, with as many axes. Its voxels say where the labels
        are, wherever both are shown; without it the labels' own notes do, and where there are
        none, their place on the screen.

    Returns
    -------
    Geometry
        To the bit that of the image where the labels lie on its voxels.
    """
    if image is None:
        return _alone(labels, ndim)
    known = _alone(image, ndim)
    apart = np.linalg.inv(world_matrix(image, ndim)) @ world_matrix(labels, ndim)
    if np.allclose(apart, np.eye(ndim + 1), rtol=0.0, atol=_EXACT):
        return known
    moved = Geometry.from_affine(known.affine @ apart, known.units)
    return moved if known.matrix else _without_matrix(moved)


def sizes_of(
    attributes: Mapping[str, Any], ndim: int, axes: Sequence[int]
) -> tuple[tuple[float, ...], str]:
    """Give the distance of samples along some axes of a layer, and the unit of all of them.

    Axes that have no unit of length in common, such as one of space and one of time, are in pixels.
    """
    names = _unit_names(attributes, ndim)
    if ndim in (2, 3) and common_unit(names):
        geometry = geometry_of_labels(attributes, ndim)
        return tuple(geometry.spacing[axis] for axis in axes), geometry.units
    lengths = np.linalg.norm(world_matrix(attributes, ndim)[:-1, list(axes)], axis=0)
    unit, factors = common_unit([names[axis] for axis in axes]) or (PIXEL, 1.0 / lengths)
    return tuple((lengths * factors).tolist()), unit


def has_lengths(attributes: Mapping[str, Any], ndim: int) -> bool:
    """Tell whether the axes of a layer have a unit of length, or pixels, in common."""
    return common_unit(_unit_names(attributes, ndim)) is not None


def _unit_names(attributes: Mapping[str, Any], ndim: int) -> list[str]:
    return [str(unit) for unit in attributes.get("units") or (PIXEL,) * ndim]


def _alone(attributes: Mapping[str, Any], ndim: int) -> Geometry:
    """Give what a layer's notes say, or else its place on the screen.

    Numbers in a unit that is no length mean nothing: pixels are then 1 apart.
    """
    names = _unit_names(attributes, ndim)
    noted = noted_geometry(attributes.get("metadata", {}).get(NOTE_KEY, {}), ndim)
    if noted is not None:
        return _resized(noted, np.abs(_given(attributes, "scale", np.ones(ndim))), names)
    found = common_unit(names)
    if found is None:
        return Geometry((1.0,) * ndim)
    unit, factors = found
    world = np.diag([*factors, 1.0]) @ world_matrix(attributes, ndim)
    lengths = np.linalg.norm(world[:-1, :-1], axis=0)
    if np.array_equal(world, np.diag([*lengths, 1.0])):
        return Geometry(tuple(lengths.tolist()), units=unit)
    # napari draws y downwards and x to the right, which in a patient seen from the feet is towards
    # the back and the left; the app's axes of space go to the front and the right.
    towards = np.diag([1.0, -1.0, -1.0, 1.0]) if ndim == 3 else np.eye(ndim + 1)
    placed = Geometry.from_affine(towards @ world, unit)
    return placed if ndim == 3 else _without_matrix(placed)


def _resized(noted: Geometry, scale: NDArray[np.float64], names: Sequence[str]) -> Geometry:
    """Give what a file said, with the size of a voxel that the person gave the layer since."""
    found = common_unit(names, noted.units)
    unit, factors = found or (PIXEL, tuple(1.0 / scale))
    sizes = scale * factors
    told = found is not None and unit in (PIXEL, noted.units)
    if told and np.allclose(noted.spacing, sizes, rtol=_EXACT):
        return noted
    stretched = np.append(sizes / noted.spacing, 1.0)
    resized = Geometry.from_affine(noted.affine * stretched, unit)
    return resized if noted.matrix else _without_matrix(resized)


def _without_matrix(geometry: Geometry) -> Geometry:
    """Give a geometry that claims nothing of a patient."""
    return Geometry(geometry.spacing, geometry.origin, geometry.direction, geometry.units)


def _given(attributes: Mapping[str, Any], name: str, default: NDArray[Any]) -> NDArray[np.float64]:
    value = attributes.get(name)
    return default if value is None else np.asarray(value, float)


def _turn(attributes: Mapping[str, Any], ndim: int) -> NDArray[np.float64]:
    rotate = _given(attributes, "rotate", np.eye(ndim))
    if rotate.ndim == 2:
        return rotate
    degrees = np.radians(float(rotate)) if rotate.ndim == 0 else None
    if degrees is None:
        raise ValueError("A rotation about three axes cannot be read here; give it as a matrix.")
    turn = np.eye(ndim)
    cosine, sine = np.cos(degrees), np.sin(degrees)
    turn[-2:, -2:] = [[cosine, -sine], [sine, cosine]]
    return turn


def full_shear(shear: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
    """Give a shear in full; napari writes an upper triangular one as the list of its elements."""
    if shear.ndim == 2:
        return shear
    matrix = np.eye(ndim)
    matrix[np.triu_indices(ndim, k=1)] = shear
    return matrix
