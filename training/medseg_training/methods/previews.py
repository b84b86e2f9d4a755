"""Pictures of validation planes: the image, what is true, what was found."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from torch import Tensor

from napari_medseg.io.palette import class_colour

SHOWN = 4
_COLOURS = np.array([class_colour(value) for value in range(256)], np.float32)


def preview_png(images: Tensor, labels: Tensor, found: Tensor) -> bytes:
    """Give a PNG with a row for each of the first planes: image, reference, prediction.

    Parameters
    ----------
    images
        (B, C, H, W) in [0, 1], C is 1 or 3.
    labels, found
        (B, H, W) class indices.
    """
    rows = [
        np.concatenate([plane, _painted(plane, truth), _painted(plane, answer)], axis=1)
        for plane, truth, answer in zip(
            (_as_rgb(image) for image in images[:SHOWN].cpu().numpy()),
            labels[:SHOWN].cpu().numpy(),
            found[:SHOWN].cpu().numpy(),
            strict=True,
        )
    ]
    stream = io.BytesIO()
    Image.fromarray(np.concatenate(rows).round().astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _as_rgb(image: np.ndarray) -> np.ndarray:
    channels = np.repeat(image[:1], 3, axis=0) if len(image) != 3 else image
    return 255 * np.moveaxis(channels, 0, -1).clip(0, 1)


def _painted(plane: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Lay the colours of classes over a plane; what is ignored stays as it is."""
    shown = (labels > 0) & (labels < 255)
    return np.where(shown[..., None], 0.5 * plane + 0.5 * _COLOURS[labels], plane)
