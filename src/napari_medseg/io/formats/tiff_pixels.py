"""The samples of TIFF files, decoded and brought into the app's axis order."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC

from napari_medseg.io.errors import ReadError
from napari_medseg.io.hush import hushed

if TYPE_CHECKING:
    from PIL import Image

_CUT = ("invalid page offset", "invalid offset to page")
_ORDER = "tcz"  # of leading axes with these names, after those with any other


class Pixels(NamedTuple):
    """Samples in the app's axis order.

    Attributes
    ----------
    data
        ([lead,] [Z,] H, W[, colour]).
    rgb
        Whether the last axis is colour.
    lead
        Names of the axes before those of space, such as ``("t", "c")``.
    """

    data: NDArray[Any]
    rgb: bool
    lead: tuple[str, ...] = ()

    @property
    def n_spatial(self) -> int:
        """How many axes are of space: 2 or 3."""
        return self.data.ndim - self.rgb - len(self.lead)


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect what tifffile only logs of a file: planes, or entries of them, behind its end."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if any(complaint in message for complaint in _CUT):
                found.append(message)

    collector = Collector(logging.ERROR)
    logger = logging.getLogger("tifffile")
    logger.addHandler(collector)
    try:
        yield found
    finally:
        logger.removeHandler(collector)


def decode(tiff: tifffile.TiffFile, file: Path, as_numbers: bool) -> Pixels:
    """Give the samples of an open TIFF, and what their axes are.

    Parameters
    ----------
    tiff : TiffFile
        Open.
    file : Path
        Where it is.
    as_numbers : bool
        Whether the stored samples are wanted, as numbers of classes are: places in a palette, and
        greys that count from white. Else what they show is given. A picture of 1 bit is given as it
        shows itself either way, 0 and 255, as fax programs store black as 1.

    Raises
    ------
    ReadError
        With one sentence, where samples are missing or nothing tells what the axes are.
    """
    page = tiff.pages.first
    plain = {PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.RGB}
    if as_numbers:
        plain.add(PHOTOMETRIC.PALETTE)
    if page.photometric not in plain or 1 < page.bitspersample < 8:
        return _decode_with_pillow(page, file, as_numbers)
    try:
        series = tiff.series[0].levels[0]
        if any(page is None for page in series.pages):
            raise ReadError(f"{file.name} lacks planes that it announces; get the file again.")
        data = series.asarray()
    except (ValueError, NotImplementedError) as error:
        if "imagecodecs" not in str(error):
            raise
        return _decode_with_pillow(page, file, as_numbers)
    if page.photometric == PHOTOMETRIC.MINISWHITE and (data.dtype == bool or not as_numbers):
        data = _negative(data, page.bitspersample)
    return _arranged(data, series.axes, file.name, guess=not tiff.is_ome)


def _negative(stored: NDArray[Any], bits: int) -> NDArray[Any]:
    """Give greys that count from white as such that count from black; floats have no end."""
    if stored.dtype.kind == "u":
        return np.asarray(stored.dtype.type((1 << bits) - 1) - stored)
    return stored if stored.dtype.kind == "f" else np.invert(stored)


def _arranged(data: NDArray[Any], axes: str, name: str, guess: bool) -> Pixels:
    """Bring decoded samples into the order (time, channel, stack, height, width, colour).

    A last axis of three or four is taken for colour only where nothing says what it is. A single
    leading axis is the stack, whatever the file calls it, unless that is channels.
    """
    stored = f"{data.ndim} axes {axes} of sizes {data.shape}"
    if data.dtype == np.float16:
        data = data.astype(np.float32)
    if data.dtype == bool:
        data = data.astype(np.uint8) * np.uint8(255)
    samples = data.shape[axes.index("S")] if "S" in axes else 1
    rgb = samples in (3, 4)
    if samples == 2:  # grey with transparency
        data, axes = data.take(0, axes.index("S")), axes.replace("S", "")
    elif rgb:
        data = np.moveaxis(data, axes.index("S"), -1)
        axes = axes.replace("S", "") + "S"
    elif samples > 4:  # more than colours
        data = np.moveaxis(data, axes.index("S"), 0)
        axes = "C" + axes.replace("S", "")
    elif guess and data.ndim >= 3 and data.shape[-1] in (3, 4) and data.shape[-2] > 4:
        rgb = True  # colour that was written without saying so
    n_lead = data.ndim - 2 - rgb
    longer = [n for n in range(n_lead) if data.shape[n] > 1]
    names = _lead_names([axes[n] for n in longer])
    if len(set(names)) < len(names):
        raise ReadError(f"{name} has {stored}; save one stack or one channel of it and open that.")
    if not longer and "Z" in axes:
        return Pixels(data.reshape(1, *data.shape[n_lead:]), rgb)
    data = data.reshape([data.shape[n] for n in longer] + list(data.shape[n_lead:]))
    order = sorted(range(len(names)), key=lambda n: _ORDER.find(names[n]))
    data = data.transpose(*order, *range(len(names), data.ndim))
    return Pixels(data, rgb, tuple(names[n] for n in order if names[n] != "z"))


def _lead_names(axes: Sequence[str]) -> list[str]:
    """Name leading axes: the last that is neither time nor channels is the stack, if none is."""
    names = [axis.lower() for axis in axes]
    if "z" in names:
        return names
    if len(names) == 1:
        return names if names == ["c"] else ["z"]
    unnamed = [n for n, name in enumerate(names) if name not in ("t", "c")]
    if unnamed:
        names[unnamed[-1]] = "z"
    return names


def _decode_with_pillow(page: tifffile.TiffPage, file: Path, as_numbers: bool) -> Pixels:
    """Decode what tifffile leaves to others: palettes, CMYK, few bits, LZW and JPEG strips."""
    from PIL import Image, ImageSequence

    with hushed(category=Image.DecompressionBombWarning), Image.open(file) as image:
        frames = [_frame(one.copy(), page, as_numbers) for one in ImageSequence.Iterator(image)]
    if len({frame.data.shape for frame in frames}) > 1:
        raise ReadError(f"{file.name} holds pages of different sizes; save them one by one.")
    if len(frames) == 1:
        return frames[0]
    return Pixels(np.stack([frame.data for frame in frames]), frames[0].rgb)


def _frame(frame: Image.Image, page: tifffile.TiffPage, as_numbers: bool) -> Pixels:
    """Give a page by the rules of `decode`; Pillow turns round and spreads greys up to 8 bits."""
    from napari_medseg.io.formats.photos import pixels

    if as_numbers and frame.mode == "P":
        return Pixels(np.array(frame), False)
    data, rgb = pixels(frame)
    inverted = page.photometric == PHOTOMETRIC.MINISWHITE
    if inverted and frame.mode == ("L" if as_numbers else "I;16"):
        data = _negative(data, 8 * data.itemsize)
    if as_numbers and frame.mode == "L" and page.bitspersample < 8:
        data = data // np.uint8(255 // ((1 << page.bitspersample) - 1))
    return Pixels(data, rgb)
