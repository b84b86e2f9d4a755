"""Uncompressed grey pixels, read from the file straight into the volume that they belong to.

This is what most series are stored as. pydicom would read the whole file into memory, check it
anew and copy its pixels twice.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.formats.dicom.frames import Frame
from napari_medseg.io.formats.dicom.pixel_format import PixelFormat

_PIXEL_ELEMENTS = {
    (0x7FE0, 0x0008): "FloatPixelData",
    (0x7FE0, 0x0009): "DoubleFloatPixelData",
    (0x7FE0, 0x0010): "PixelData",
}
_GREY = ("MONOCHROME1", "MONOCHROME2")


def read_into(frame: Frame, plane: NDArray[Any]) -> bool:
    """Read the only frame of a file, as it is stored.

    Parameters
    ----------
    frame : Frame
        Which.
    plane : ndarray, shape (rows, columns)
        Where it goes; contiguous, of the type that its numbers have.

    Returns
    -------
    bool
        False where the file is compressed, in colour, of another size or type, or not regular in
        any way; `plane` then holds nothing of use.
    """
    pixels, start = frame.pixels, getattr(frame.header, "pixels_at", None)
    syntax = frame.header.file_meta.get("TransferSyntaxUID")
    if start is None or syntax.is_encapsulated or not syntax.is_little_endian:
        return False
    regular = pixels.frames == pixels.samples == 1 and pixels.photometric in _GREY
    if not regular or plane.shape != pixels.size[:2] or plane.dtype != _type_of(pixels):
        return False
    try:
        with frame.file.open("rb", buffering=0) as stream:
            stream.seek(start)
            kind = pixel_element(stream, syntax)["pixel_keyword"]
            if kind != "PixelData" or stream.readinto(plane.data) != plane.nbytes:
                return False
    except (OSError, KeyError, struct.error):
        return False
    _drop_unused_bits(plane, pixels)
    return True


def pixel_element(stream: BinaryIO, syntax: Any) -> dict[str, str]:
    """Read past the head of the element of the pixels; tell its keyword and kind (PS3.5, 7.1)."""
    order = "<" if syntax.is_little_endian else ">"
    group, element, kind, _ = struct.unpack(f"{order}HH2sH", stream.read(8))
    found = {"pixel_keyword": _PIXEL_ELEMENTS[group, element]}
    if syntax.is_implicit_VR:
        return found
    stream.read(4)  # the length
    return found | {"pixel_vr": kind.decode("ascii")}


def _type_of(pixels: PixelFormat) -> np.dtype[Any] | None:
    """Give the type of stored numbers; None where there is no such type."""
    if pixels.allocated not in (8, 16, 32) or not 0 < pixels.stored <= pixels.allocated:
        return None
    return np.dtype(f"<{'i' if pixels.signed else 'u'}{pixels.allocated // 8}")


def _drop_unused_bits(plane: NDArray[Any], pixels: PixelFormat) -> None:
    """Take away what the highest bits hold where not all of them count (PS3.5, 8.1.1)."""
    unused = pixels.allocated - pixels.stored
    if unused:
        np.left_shift(plane, unused, out=plane)
        np.right_shift(plane, unused, out=plane)
