"""Where a layer lies in the world, so that a layer made from it lies in the same place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medseg.io.placement import full_shear, geometry_of_labels, has_lengths, world_matrix
from napari_medseg.session.layers.stack import shape_of

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer


_ALIKE = 1e-3
"""By so much, in units of the world, may two layers in the same place differ."""


def geometry_of(layer: Layer, ndim: int | None = None) -> dict[str, Any]:
    """Give the keyword arguments that place a new layer where `layer` is.

    Parameters
    ----------
    layer : napari layer
        The layer to follow.
    ndim : int, optional
        Number of axes of the new layer, at most ``layer.ndim``. A layer of fewer axes, such as a
        2-D result of a volume, gets the trailing ones. The default is all of them.

    Returns
    -------
    dict
        ``scale``, ``translate``, ``rotate``, ``shear``, ``affine``, ``units`` and ``axis_labels``.

    Raises
    ------
    ValueError
        If more axes are asked for than the layer has.
    """
    ndim = layer.ndim if ndim is None else ndim
    if ndim > layer.ndim:
        raise ValueError(
            f"A layer with {ndim} axes cannot take its position from “{layer.name}”, which has "
            f"{layer.ndim}."
        )
    return _placed(layer, list(range(layer.ndim - ndim, layer.ndim)))


def geometry_without(layer: Layer, axis: int) -> dict[str, Any]:
    """Give the keyword arguments that place a layer of one axis less where `layer` is."""
    return _placed(layer, [other for other in range(layer.ndim) if other != axis])


def placement_of(layer: Layer) -> dict[str, Any]:
    """Give everything that says where a layer lies, as `napari_medseg.io.placement` takes it."""
    names = ("scale", "translate", "rotate", "shear", "units", "metadata")
    attributes = {name: getattr(layer, name) for name in names}
    return attributes | {"affine": layer.affine.affine_matrix}


def lie_alike(first: Layer, second: Layer) -> bool:
    """Tell whether two layers lie in the same place, as their files say."""
    if first.ndim != second.ndim:
        return False
    places = [placement_of(layer) for layer in (first, second)]
    if not all(has_lengths(place, first.ndim) for place in places):
        return _shown_alike(first, second)
    one, other = (geometry_of_labels(place, first.ndim) for place in places)
    return bool(np.allclose(one.affine, other.affine, rtol=0.0, atol=_ALIKE))


def lay_on_its_image(labels: Labels, images: Iterable[Image]) -> None:
    """Show labels that were read from a file where the image is shown that they lie on.

    A file says where its voxels lie in space, but not where a person has put the image on the
    screen. Labels that are shown on such an image already stay there, and so do those that a
    person has moved herself.
    """
    if _is_moved(labels):
        return
    alike = [i for i in images if shape_of(i) == shape_of(labels) and lie_alike(labels, i)]
    if alike and not any(_shown_alike(labels, image) for image in alike):
        for name, value in geometry_of(alike[0]).items():
            setattr(labels, name, value)


def _is_moved(layer: Layer) -> bool:
    """Tell whether a layer was moved or turned; readers of files do so by the affine alone."""
    upright = np.allclose(np.asarray(layer.rotate), np.eye(layer.ndim))
    return bool(np.any(np.asarray(layer.translate))) or not upright


def _shown_alike(first: Layer, second: Layer) -> bool:
    one, other = (world_matrix(placement_of(layer), layer.ndim) for layer in (first, second))
    return bool(np.allclose(one, other, rtol=0.0, atol=_ALIKE))


def _placed(layer: Layer, kept: list[int]) -> dict[str, Any]:
    square = np.ix_(kept, kept)
    return {
        "scale": layer.scale[kept],
        "translate": layer.translate[kept],
        "rotate": layer.rotate[square],
        "shear": full_shear(np.asarray(layer.shear, float), layer.ndim)[square],
        "affine": layer.affine.set_slice(kept),
        "units": tuple(layer.units[axis] for axis in kept),
        "axis_labels": tuple(layer.axis_labels[axis] for axis in kept),
    }
