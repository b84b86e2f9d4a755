"""Colours of the classes in layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.palette import class_colour

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap


def colour_of(value: int) -> str:
    """Give the colour of a label value, as ``#rrggbb``."""
    return "#{:02x}{:02x}{:02x}".format(*class_colour(value))


def class_colormap() -> DirectLabelColormap:
    """Give a colour map for a labels layer of classes; the background is transparent."""
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[int | None, str | NDArray[np.float32]] = {
        None: "transparent",
        0: "transparent",
    }
    colours.update({value: _rgba(value) for value in range(1, 256)})
    return DirectLabelColormap(color_dict=colours)


def _rgba(value: int) -> NDArray[np.float32]:
    return np.array([*(channel / 255 for channel in class_colour(value)), 1.0], np.float32)


def hex_colour(layer: Labels, value: int) -> str:
    """Give the colour that a labels layer shows a label in, as ``#rrggbb``."""
    colour = layer.get_color(value)
    if colour is None:
        return "#808080"
    return "#" + "".join(f"{round(255 * float(channel)):02x}" for channel in colour[:3])
