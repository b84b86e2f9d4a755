"""Colours of the classes, in docks, files and pictures alike."""

from __future__ import annotations

import colorsys

# Okabe and Ito, "Color universal design" (2008), without black; brightest on grey first: told apart
# by colour-blind people and on grey images.
_FIRST = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
_GOLDEN_RATIO = 0.618033988749895  # steps of it keep neighbouring hues far apart


def class_colour(value: int) -> tuple[int, int, int]:
    """Give the red, green and blue (0 to 255) that a class is shown in; black for 0."""
    if value == 0:
        return 0, 0, 0
    if value <= len(_FIRST):
        return _FIRST[value - 1]
    red, green, blue = colorsys.hsv_to_rgb((value - 1) * _GOLDEN_RATIO % 1.0, 0.75, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)
