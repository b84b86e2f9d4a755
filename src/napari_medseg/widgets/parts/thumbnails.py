"""Small pictures of examples: the image with the contour of what was painted on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtGui import QImage, QPixmap
from scipy import ndimage

from napari_medseg.engine.by_example.support import SupportExample
from napari_medseg.engine.scaling import scale_to_unit
from napari_medseg.session.layers.colours import colour_of


def thumbnail(example: SupportExample, size: int = 96) -> QPixmap:
    """Draw an example so that its longer side has `size` pixels."""
    rgb = np.ascontiguousarray(thumbnail_array(example, size))
    height, width, _ = rgb.shape
    image = QImage(rgb.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    return QPixmap.fromImage(image.copy())


def thumbnail_array(example: SupportExample, size: int = 96) -> NDArray[np.uint8]:
    """Draw an example as (h, w, 3) colours of 8 bits."""
    height, width = example.mask.shape
    zoom = size / max(height, width, 1)
    rows = _samples(height, max(1, round(height * zoom)))
    columns = _samples(width, max(1, round(width * zoom)))
    pixels = example.image[np.ix_(rows, columns)]
    grey = scale_to_unit(pixels[..., :3] if example.is_rgb else pixels, example.value_range)
    rgb = (255 * (grey if example.is_rgb else np.repeat(grey[..., None], 3, axis=2))).astype(
        np.uint8
    )
    mask = _shrunk(example.mask, len(rows), len(columns))
    edge = (ndimage.minimum_filter(mask, 3) != mask) & (mask > 0)
    for value in np.unique(mask[edge]):
        colour = colour_of(int(value))
        rgb[edge & (mask == value)] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return rgb


def _samples(length: int, count: int) -> NDArray[np.intp]:
    return np.minimum((np.arange(count) + 0.5) * length / count, length - 1).astype(np.intp)


def _shrunk(mask: NDArray[np.unsignedinteger], height: int, width: int) -> NDArray[np.integer]:
    """Shrink a mask so that even a single painted pixel stays visible."""
    small = np.zeros((height, width), mask.dtype)
    rows, columns = np.nonzero(mask)
    target = (rows * height // mask.shape[0], columns * width // mask.shape[1])
    small[target] = mask[rows, columns]
    if height > mask.shape[0] or width > mask.shape[1]:
        small = mask[np.ix_(_samples(mask.shape[0], height), _samples(mask.shape[1], width))]
    return small
