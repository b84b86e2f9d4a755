"""PNG, JPEG and BMP files: single planes, grey or colour, and label maps as indexed PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from napari_medseg.io.errors import ReadError
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.hush import hushed
from napari_medseg.io.notes import NOTE_KEY, noted_geometry, parse_note
from napari_medseg.io.palette import class_colour


def read_photo(file: Path) -> tuple[NDArray[Any], Geometry, bool]:
    """Give pixels (H, W[, 3|4]), a geometry in pixels, and whether they are in colour.

    Raises
    ------
    ReadError
        Where the picture has more than about 179 million pixels, which a file of a few bytes could
        claim to have.
    """
    with hushed(category=Image.DecompressionBombWarning):
        try:
            with Image.open(file) as opened:
                opened.load()
                data, rgb = pixels(ImageOps.exif_transpose(opened))
        except Image.DecompressionBombError as error:
            raise ReadError(
                f"{file.name} is too large for this kind of file; save it as TIFF and open that."
            ) from error
    return data, Geometry(spacing=(1.0, 1.0)), rgb


def pixels(image: Image.Image) -> tuple[NDArray[Any], bool]:
    """Give the pixels of an open picture by the rules of `read_image`, and whether in colour."""
    if image.mode == "1":
        return np.asarray(image, dtype=np.uint8) * np.uint8(255), False
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        colours = np.asarray(image)
        is_grey = image.mode == "RGB" and bool((colours == colours[..., :1]).all())
        return (colours[..., 0].copy(), False) if is_grey else (colours, True)
    if image.mode in ("LA", "La"):
        image = image.getchannel(0)
    elif image.mode in ("CMYK", "YCbCr", "LAB", "HSV", "RGBX"):
        image = image.convert("RGB")
    elif image.mode == "RGBa":
        image = image.convert("RGBA")
    data = np.asarray(image)
    return data.astype(data.dtype.newbyteorder("="), copy=False), data.ndim == 3


def is_indexed(file: Path) -> bool:
    """Tell whether the pixels of a picture are places in a palette."""
    with Image.open(file) as image:
        return image.mode == "P"


def read_indices(file: Path) -> tuple[NDArray[Any], Geometry, dict[str, Any]]:
    """Give a label map (H, W) or coloured pixels (H, W, 3|4), its geometry and our entry.

    A palette picture gives its indices; pixels that cannot be seen at all are background, whatever
    colour lies under them.
    """
    with Image.open(file) as image:
        image.load()
        note = parse_note(image.info.get(NOTE_KEY))
        array = np.asarray(image) if image.mode == "P" else pixels(image)[0]
        if "A" in image.getbands():
            array = array.copy()
            array[np.asarray(image.getchannel("A")) == 0] = 0
    return array, noted_geometry(note, 2) or Geometry(spacing=(1.0, 1.0)), note


def write_indexed_png(path: Path, labels: NDArray[np.uint8], note: str) -> None:
    """Write labels (H, W) as a PNG that shows each class in a colour of its own."""
    image = Image.fromarray(labels)
    image.putpalette(_palette())
    text = PngInfo()
    text.add_text(NOTE_KEY, note)
    image.save(path, pnginfo=text, optimize=True)


def _palette() -> list[int]:
    return [channel for value in range(256) for channel in class_colour(value)]
