"""Colours of the classes, told apart by colour-blind people and on grey images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.utils.colormaps import DirectLabelColormap

# Okabe and Ito, "Color universal design" (2008), without black; brightest on grey first.
PALETTE = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2")


def colour_of(value: int) -> str:
    """Give the colour of a label value, as ``#rrggbb``; they repeat after seven."""
    return PALETTE[(value - 1) % len(PALETTE)]


def class_colormap(n_classes: int = 255, opacity: float = 1.0) -> DirectLabelColormap:
    """Give a colour map for a labels layer of classes; the background is transparent."""
    from napari.utils.colormaps import DirectLabelColormap

    colours: dict[int | None, str | NDArray[np.float32]] = {
        None: "transparent",
        0: "transparent",
    }
    colours.update({value: _rgba(colour_of(value), opacity) for value in range(1, n_classes + 1)})
    return DirectLabelColormap(color_dict=colours)


def _rgba(colour: str, opacity: float) -> NDArray[np.float32]:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    return np.array([*channels, opacity], np.float32)


def hex_colour(layer: Labels, value: int) -> str:
    """Give the colour that a labels layer shows a label in, as ``#rrggbb``."""
    colour = layer.get_color(value)
    if colour is None:
        return "#808080"
    return "#" + "".join(f"{round(255 * float(channel)):02x}" for channel in colour[:3])
