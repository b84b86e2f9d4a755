"""How a DICOM file stores its pixels, and whether all of them are there."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from os import SEEK_CUR
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.dicom.entries import whole
from napari_medseg.io.formats.dicom.headers import no_pixels, text

if TYPE_CHECKING:
    from pydicom import Dataset

_HEAD = 12  # bytes before the first item of compressed pixels: tag, kind and length of the element
_ITEM = 0xE000FFFE


@dataclass(frozen=True)
class PixelFormat:
    """How the pixels of all frames of a file are stored (PS3.3, C.7.6.3).

    Parameters
    ----------
    rows, columns, samples : int
        Size of a frame, and numbers per pixel.
    frames : int
        How many there are.
    allocated, stored : int
        Bits that a number takes, and how many of them, the lowest, count.
    signed : bool
        Whether numbers may be negative.
    photometric : str
        What they mean: ``"MONOCHROME2"``, ``"RGB"``.
    """

    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    stored: int
    signed: bool
    photometric: str

    @property
    def size(self) -> tuple[int, int, int]:
        """Rows, columns and samples of a pixel."""
        return self.rows, self.columns, self.samples

    @property
    def bits(self) -> int:
        """Of a frame, uncompressed."""
        a_pixel = self.samples * self.allocated
        if self.photometric == "YBR_FULL_422":
            a_pixel = a_pixel * 2 // 3
        return self.rows * self.columns * a_pixel


def format_of(header: Dataset) -> PixelFormat:
    """Give how the pixels of a file are stored, as its header says.

    Raises
    ------
    ReadError
        Where it leaves out how large a frame is.
    """
    rows, columns = whole(header, "Rows", 0), whole(header, "Columns", 0)
    if not rows or not columns:
        raise ReadError("Rows or Columns is empty or nought, so that no frame has a size.")
    allocated = whole(header, "BitsAllocated", 8)
    return PixelFormat(
        rows,
        columns,
        whole(header, "SamplesPerPixel", 1),
        int(header.get("NumberOfFrames") or 1),
        allocated,
        whole(header, "BitsStored", allocated),
        bool(whole(header, "PixelRepresentation", 0)),
        text(header, "PhotometricInterpretation"),
    )


def check_size(file: Path, header: Dataset, pixels: PixelFormat) -> None:
    """Make sure that a file is as long as the pixels it announces.

    Raises
    ------
    ReadError
        Where it is shorter.
    """
    syntax = getattr(header.file_meta, "TransferSyntaxUID", None)
    start = getattr(header, "pixels_at", None)
    if syntax is None or start is None:
        return
    if syntax.is_encapsulated:
        complete = _holds_all_items(file, start)
    else:
        complete = file.stat().st_size - start >= pixels.bits * pixels.frames // 8
    if not complete:
        raise ReadError(no_pixels(file))


def _holds_all_items(file: Path, start: int) -> bool:
    """Tell whether compressed pixels are all there; decoders make up what is not (PS3.5, A.4)."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        stream.seek(start + _HEAD)
        while len(head := stream.read(8)) == 8:
            tag, length = struct.unpack("<LL", head)
            if tag != _ITEM:
                return True
            if stream.tell() + length > size:
                return False
            stream.seek(length, SEEK_CUR)
    return False
