"""One point of time, or one channel, of a layer that has more axes than space has.

Files of labels hold a plane or a volume. What is shown on the screen of a layer over time is taken
out of it as a layer of its own, which looks into the same array.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medseg.io.notes import NOTE_KEY, making_of
from napari_medseg.session.layers.channels import axis_name
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.layers.stack import Stack, full_resolution, index_on_display, shape_of

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels, Layer

_TIME = ("t", "time")
_NOT_OF_SPACE = (*_TIME, "c", "ch", "channel")


@dataclass(frozen=True)
class Moment:
    """Where the sliders stand on the axes of a layer that are not of space.

    Parameters
    ----------
    names : tuple of str
        Of these axes, which are the first ones of the layer.
    index, lengths : tuple of int
        Where the sliders stand on each, and how many positions it has.
    """

    names: tuple[str, ...]
    index: tuple[int, ...]
    lengths: tuple[int, ...]

    @classmethod
    def shown(cls, layer: Layer, dims: Dims) -> Moment | None:
        """Give what is shown of a layer; None where all its axes are of space."""
        count = max(layer.ndim - 3, 0)
        while count < layer.ndim - 2 and axis_name(layer, count).lower() in _NOT_OF_SPACE:
            count += 1
        if count == 0:
            return None
        axes = range(count)
        names = tuple(axis_name(layer, axis) for axis in axes)
        return cls(names, index_on_display(layer, dims, axes), shape_of(layer)[:count])

    def __str__(self) -> str:
        what = "point of time" if all(n.lower() in _TIME for n in self.names) else "position"
        axes = [f"axis {name}" if name.isdecimal() else name for name in self.names]
        places = zip(axes, self.index, self.lengths, strict=True)
        at = ", ".join(f"{name} = {index} of {length}" for name, index, length in places)
        return f"Exports the {what} shown: {at}."

    @property
    def suffix(self) -> str:
        """What the name of a file ends with, such as ``_t1``."""
        names = ("" if name.isdecimal() else name for name in self.names)
        return "".join(f"_{name}{at}" for name, at in zip(names, self.index, strict=True))


def in_space(layer: Layer, stack: Stack) -> Stack:
    """Give the planes of a stack that make a volume: of those over time the one on display."""
    is_volume = stack.axis is None or axis_name(layer, stack.axis).lower() not in _NOT_OF_SPACE
    return stack if is_volume else replace(stack, axis=None, n_planes=1)


def holds_all_paint(shown: Labels, labels: Labels) -> bool:
    """Tell whether nothing is painted in labels but what is shown of them."""
    if shown is labels:
        return True
    whole = full_resolution(labels)
    is_there = isinstance(whole, np.ndarray)  # another is read from a disk, which takes its time
    return is_there and np.count_nonzero(whole) == np.count_nonzero(shown.data)


def image_shown(image: Image, dims: Dims) -> Image:
    """Give what is shown of an image as a layer of its own; the image where that is all of it."""
    from napari.layers import Image

    moment = Moment.shown(image, dims)
    if moment is None:
        return image
    return Image(
        full_resolution(image)[moment.index],
        rgb=image.rgb,
        contrast_limits=image.contrast_limits,  # or napari would look for them in all pixels
        **_of(image, moment),
    )


def labels_shown(labels: Labels, dims: Dims) -> Labels:
    """Give what is shown of labels as a layer of its own; the labels where that is all of them."""
    from napari.layers import Labels

    moment = Moment.shown(labels, dims)
    if moment is None:
        return labels
    return Labels(full_resolution(labels)[moment.index], **_of(labels, moment))


def _of(layer: Layer, moment: Moment) -> dict[str, Any]:
    """Give name, notes and place of what is shown of a layer."""
    notes = dict(notes_of(layer))
    made = making_of(notes, full_resolution(layer))  # while what it goes by has all its axes
    notes = {key: value for key, value in notes.items() if key != "witnesses"} | made
    notes["source"] = _source_of(layer, notes.get("source") or {}, moment)
    placed = geometry_of(layer, layer.ndim - len(moment.index))
    return {"name": layer.name, "metadata": {NOTE_KEY: notes}, **placed}


def _source_of(layer: Layer, source: dict[str, Any], moment: Moment) -> dict[str, Any]:
    """Give where a layer came from: of DICOM the planes that are shown."""
    place = {"path": layer.source.path} if layer.source.path else {}
    planes = source.get("planes", ())
    each, rest = divmod(len(planes), int(np.prod(moment.lengths)))
    if not each or rest:
        return place | source
    first = each * int(np.ravel_multi_index(moment.index, moment.lengths))
    lists = {key: source.get(key, ())[first : first + each] for key in ("planes", "corners")}
    return place | source | lists
