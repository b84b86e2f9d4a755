"""Cases as pictures: the image, its reference and what the model found, side by side."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from medseg_training.data.files import LoadedCase
from napari_medseg.engine.scaling import scale_to_unit
from napari_medseg.io.palette import class_colour

HEIGHT = 220
"""Rows of a panel, in pixels; small planes are enlarged to it."""

_WIDEST = 330
_GAP = 6
_FILL = 0.28


@dataclass(frozen=True)
class CasePicture:
    """A case to look at.

    Parameters
    ----------
    case : str
        Its name.
    dice : float
        Mean over its classes.
    plane : int, optional
        Which plane of a volume is shown; None for a picture.
    png : bytes
        Image, reference and prediction side by side.
    """

    case: str
    dice: float
    plane: int | None
    png: bytes


class Gallery:
    """The best and the worst cases; pictures are made only of those that are among them so far."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._lowest: list[CasePicture] = []
        self._highest: list[CasePicture] = []

    def offer(self, case: str, dice: float, draw: Callable[[], tuple[int | None, bytes]]) -> None:
        """Take a case in, where it is among the best or the worst; one without a figure is not."""
        if math.isnan(dice) or not self.size:
            return
        low = len(self._lowest) < self.size or dice < self._lowest[-1].dice
        high = len(self._highest) < self.size or dice > self._highest[-1].dice
        if not (low or high):
            return
        picture = CasePicture(case, dice, *draw())
        if low:
            self._lowest = sorted([*self._lowest, picture], key=lambda p: p.dice)[: self.size]
        if high:
            self._highest = sorted([*self._highest, picture], key=lambda p: -p.dice)[: self.size]

    def worst(self) -> tuple[CasePicture, ...]:
        """Give the worst cases, the worst first."""
        return tuple(self._lowest)

    def best(self) -> tuple[CasePicture, ...]:
        """Give the best cases, the best first, without those that are among the worst as well."""
        shown = {picture.case for picture in self._lowest}
        return tuple(picture for picture in self._highest if picture.case not in shown)


def picture_of(
    case: LoadedCase, prediction: NDArray[np.uint8], reference: NDArray[np.uint8]
) -> tuple[int | None, bytes]:
    """Draw a case; of a volume the plane with most of the reference, or else of the prediction."""
    image, rgb = case.as_given
    if prediction.ndim == 3:
        fullest = reference if reference.any() else prediction
        plane: int | None = int(np.count_nonzero(fullest, axis=(1, 2)).argmax())
        image, prediction, reference = image[plane], prediction[plane], reference[plane]
    else:
        plane = None
    grey = np.uint8(255) * scale_to_unit(image)
    colours = grey.astype(np.uint8) if rgb else np.repeat(grey.astype(np.uint8)[..., None], 3, 2)
    rows, columns = prediction.shape
    factor = min(HEIGHT / rows, _WIDEST / columns)
    size = max(1, round(columns * factor)), max(1, round(rows * factor))
    base = np.asarray(Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC))
    wanted, found = (_overlaid(base, _enlarged(mask, size)) for mask in (reference, prediction))
    gap = np.full((size[1], _GAP, 3), 128, np.uint8)
    joined = np.concatenate([base, gap, wanted, gap, found], axis=1)
    stream = io.BytesIO()
    Image.fromarray(joined).save(stream, "PNG", optimize=True)
    return plane, stream.getvalue()


def _enlarged(labels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))


def _overlaid(base: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Tint each class, and draw its outline."""
    out = base.astype(np.float32)
    for value in np.unique(labels[labels > 0]):
        mask = labels == value
        colour = np.array(class_colour(int(value)), np.float32)
        outline = mask & ~ndimage.binary_erosion(mask, iterations=2)
        out[mask] = (1 - _FILL) * out[mask] + _FILL * colour
        out[outline] = colour
    return out.astype(np.uint8)
