"""One channel of a multichannel image as an image of its own, without a copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_medseg.io.notes import NOTE_KEY
from napari_medseg.session.layers.geometry_of import geometry_without
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.layers.stack import shape_of

if TYPE_CHECKING:
    from napari.layers import Image, Layer

MOST_CHANNELS = 16
"""An axis that is longer is not offered as one of channels."""
_NO_CHANNELS = {"t", "time", "z", "y", "x"}


@dataclass(frozen=True)
class Channel:
    """A position on an axis that may hold channels."""

    axis: int
    index: int
    title: str


def channels_of(image: Image | None) -> list[Channel]:
    """List what could be a channel of an image: the positions on its short leading axes."""
    if image is None or image.rgb or image.ndim < 3:
        return []
    shape = shape_of(image)
    return [
        Channel(axis, index, f"{index} of {length} on axis {axis_name(image, axis)}")
        for axis, length in enumerate(shape[:-2])
        if 1 < length <= MOST_CHANNELS and axis_name(image, axis).lower() not in _NO_CHANNELS
        for index in range(length)
    ]


def axis_name(image: Layer, axis: int) -> str:
    """Give what an axis is called: its label, or its number where napari made the label up."""
    label = str(image.axis_labels[axis])
    return str(axis) if label == str(axis - image.ndim) else label


def channel_layer(image: Image, channel: Channel) -> Image:
    """Give a channel as an image layer that lies where the image lies.

    It looks into the same array, so it needs no memory, and of an array on disk nothing is read.
    That it is a part of its file is noted: labels of one channel are not those of another.
    """
    from napari.layers import Image

    def part(data: Any) -> Any:
        at = [slice(None)] * channel.axis + [channel.index]
        return data[tuple(at)]

    notes = dict(notes_of(image))
    source = {"path": str(image.source.path or "")} | dict(notes.get("source") or {})
    place = (*source.get("channel", ()), channel.axis, channel.index)
    notes["source"] = source | {"channel": place}
    data = [part(level) for level in image.data] if image.multiscale else part(image.data)
    return Image(
        data,
        name=f"{image.name} · channel {channel.index}",
        multiscale=image.multiscale,
        colormap=image.colormap,
        contrast_limits=image.contrast_limits,
        metadata={NOTE_KEY: notes},
        **geometry_without(image, channel.axis),
    )
