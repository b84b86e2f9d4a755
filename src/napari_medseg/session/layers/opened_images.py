"""Segmentations that are opened after images: on the grid of their image, or where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.findings import Finding, tell
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.grid import GridError, on_grid, same_place
from napari_medseg.io.images import ImageFile
from napari_medseg.io.layers import LayerData
from napari_medseg.io.notes import NOTE_KEY, noted_geometry
from napari_medseg.io.placement import world_matrix
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.layer_kinds import is_derived, is_image
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.layers.stack import shape_of

if TYPE_CHECKING:
    from napari.layers import Image, Layer

    _Opened = tuple[Image, ImageFile | None]  # None of a part that was cut out of another layer

_STRAIGHT = 1e-3  # cosine between axes that count as the same


def opened_images(layers: Iterable[Layer]) -> list[ImageFile]:
    """Give the open volumes as their files were, without the pixels, to lay segmentations on."""
    return [found for image in _images(layers) if (found := _as_read(image)) is not None]


def beside_images(read: Sequence[LayerData], layers: Sequence[Layer]) -> list[LayerData]:
    """Put segmentations that lie on no open image where they lie in the patient, and say so.

    Those that came together with an image stay as they are, and so do those on the voxels of one.
    Where an image stores the same voxels in another order, they are brought into that.

    Parameters
    ----------
    read : sequence of LayerData
        What was opened at once.
    layers : sequence of Layer
        What was open before.
    """
    if any(kind == "image" for *_, kind in read):
        return list(read)
    return [_beside(data, [(i, _as_read(i)) for i in _images(layers)]) for data in read]


def _images(layers: Iterable[Layer]) -> list[Image]:
    return [layer for layer in layers if is_image(layer) and not is_derived(layer)]


def _as_read(layer: Image) -> ImageFile | None:
    notes = notes_of(layer)
    geometry, shape = noted_geometry(notes, 3), shape_of(layer)
    if geometry is None or len(shape) < 3:
        return None
    source = dict(notes.get("source") or {})
    if "corners" not in source and geometry.matrix and geometry.units == "mm":
        source |= _planes_of(geometry, shape[-3])
        cut_out = bool(np.any(layer.translate))  # a part of a layer keeps the notes of the whole
    else:
        cut_out = len(source.get("corners", ())) not in (0, int(np.prod(shape[:-2])))
    blank = np.broadcast_to(np.uint8(0), shape)
    return None if cut_out else ImageFile(blank, geometry, False, layer.name, source=source)


def _planes_of(geometry: Geometry, count: int) -> dict[str, Any]:
    """Give where the planes of a volume lie, as the source of a DICOM image says it."""
    affine = geometry.affine
    corners = [affine[:3, 3] + plane * affine[:3, 0] for plane in range(count)]
    return {"corners": tuple(corners), "turn": tuple(np.array(geometry.direction).T[1:])}


def _beside(data: LayerData, images: Sequence[_Opened]) -> LayerData:
    array, attributes, kind = data
    notes = attributes.get("metadata", {}).get(NOTE_KEY, {})
    space, own = notes.get("frame_of_reference"), noted_geometry(notes, 3)
    if space is None or own is None or kind != "labels" or _lies_on_one(array, own, images):
        return data
    for layer, image in images:
        turned = None if image is None else _turned_onto(image, array, own)
        if image is not None and turned is not None:
            noted = {NOTE_KEY: {**notes, "geometry": image.geometry.as_dict()}}
            placed = geometry_of(layer, 3) | {"name": f"Segments of {layer.name}"}
            return turned, attributes | placed | {"metadata": attributes["metadata"] | noted}, kind
    placed, finding = _placed(own, space, images)
    if finding is None:
        return data
    told = {**notes, "findings": [*notes.get("findings", ()), finding.sentence]}
    tell([finding])
    metadata = {**attributes["metadata"], NOTE_KEY: told}
    return array, attributes | placed | {"metadata": metadata}, kind


def _lies_on_one(array: Any, own: Geometry, images: Sequence[_Opened]) -> bool:
    return any(
        array.shape == image.data.shape[-3:] and same_place(array.shape, own, image.geometry)
        for _, image in images
        if image is not None
    )


def _turned_onto(image: ImageFile, array: Any, own: Geometry) -> NDArray[Any] | None:
    """Give labels in the order in which an image stores their voxels; None where it has others.

    An image that says in which space it lies is that of the labels, or of another patient; the
    reader has looked.
    """
    where = image.geometry
    if image.source.get("frame_of_reference") or not where.matrix or where.units != "mm":
        return None
    try:
        turned = on_grid(array, own.affine, image.data.shape[-3:], where.affine)
    except GridError:
        return None
    return np.ascontiguousarray(turned)


def _placed(
    own: Geometry, space: str, images: Sequence[_Opened]
) -> tuple[dict[str, Any], Finding | None]:
    """Give what places a segmentation beside an image of its space, and what is to be told."""
    part = ""
    for layer, image in images:
        source = notes_of(layer).get("source") or {}
        if source.get("frame_of_reference") != space:
            continue
        if image is None or not image.geometry.matrix:
            part = part or layer.name
            continue
        onto_screen = _world_of(layer) @ np.linalg.inv(image.geometry.affine)
        placed = _upright(onto_screen @ own.affine)
        if placed:
            return placed, _where_they_lie(layer.name)
    if part:
        return {}, _of_a_part(part)
    return {}, _UNRELATED if any(image is not None for _, image in images) else None


def _world_of(layer: Layer) -> NDArray[np.float64]:
    placed = geometry_of(layer, 3)
    return world_matrix(placed | {"affine": placed["affine"].affine_matrix}, 3)


def _upright(world: NDArray[np.float64]) -> dict[str, Any]:
    """Give scale, and mirrors that shift, of a matrix; nothing where it exchanges or tilts axes.

    A translation of its own would say that a person moved the layer, or cut it out of another.
    """
    sizes = np.linalg.norm(world[:3, :3], axis=0)
    signs = np.sign(np.diag(world)[:3])
    if np.abs(world[:3, :3] / sizes - np.diag(signs)).max() > _STRAIGHT:
        return {}
    mirrors = np.diag([*signs, 1.0])
    mirrors[:3, 3] = world[:3, 3]
    return {"scale": sizes, "affine": mirrors}


_UNRELATED = Finding(
    "elsewhere",
    "These segments were made on none of the images that are open; they are shown from their own "
    "first plane on, not where they lie in those images. Open them together with their series.",
)


def _where_they_lie(name: str) -> Finding:
    return Finding(
        "elsewhere",
        f"These segments lie on other voxels than “{name}”; they are shown where they lie in the "
        "patient. To go on in them, open them together with their series.",
    )


def _of_a_part(name: str) -> Finding:
    return Finding(
        "elsewhere",
        f"“{name}” is only a part of an image that these segments lie in; they are shown from "
        "their own first plane on, not where they lie in it. Open them together with their series.",
    )
