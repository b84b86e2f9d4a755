"""Pixels of DICOM frames as the values that they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.dicom import import_pydicom, quiet, text
from napari_medseg.io.dicom_frames import Frame
from napari_medseg.io.errors import ReadError

_INTEGERS = (np.int16, np.uint16, np.int32)


def is_colour(frame: Frame) -> bool:
    """Whether the pixels are colours once they are decoded."""
    return frame.size[2] == 3 or _photometric(frame) == "PALETTE COLOR"


def is_inverted(frame: Frame) -> bool:
    """Whether low values are meant to be shown bright (MONOCHROME1)."""
    return _photometric(frame) == "MONOCHROME1"


def is_calibrated(frame: Frame) -> bool:
    """Whether the values are a measurement, such as Hounsfield units, and not mere brightness."""
    return frame.rescale != (1.0, 0.0)


def stored_values(frame: Frame) -> NDArray[Any]:
    """Give one frame as it is stored, decompressed: (H, W), or RGB (H, W, 3).

    Raises
    ------
    ReadError
        With one sentence that names the file, where it is cut, damaged or compressed in a way
        that nothing installed can undo.
    """
    single = int(frame.header.get("NumberOfFrames") or 1) == 1
    return _decoded(frame, None if single else frame.index).reshape(_shape(frame))


def all_stored_values(frames: Sequence[Frame]) -> NDArray[Any]:
    """Give many frames as they are stored, (N, H, W[, 3]); each file is read once.

    Raises
    ------
    ReadError
        As `stored_values`, and where a frame is of another type than the first.
    """
    planes: list[NDArray[Any]] = []
    for _, run in groupby(frames, key=lambda frame: frame.file):
        together = list(run)
        if len(together) > 1:
            whole = _decoded(together[0], None)
            whole = whole.reshape(-1, *_shape(together[0]))
            planes += [whole[frame.index] for frame in together]
        else:
            planes.append(stored_values(together[0]))
    types = {plane.dtype for plane in planes}
    return planes[0][None] if len(planes) == 1 else np.stack(planes, dtype=np.result_type(*types))


def values_of(frames: Sequence[Frame]) -> NDArray[Any]:
    """Give frames as values, (N, H, W[, 3]): each rescaled by its own slope and intercept.

    Whole numbers that stay whole come in the smallest of int16, uint16 and int32 that holds
    them, everything else as float32. MONOCHROME1 without a rescale is turned round, so that
    bright is what is shown bright; with one, the measured values stay.

    Raises
    ------
    ReadError
        As `all_stored_values`.
    """
    stored = all_stored_values(frames)
    if stored.ndim == 4:
        return stored
    if "ModalityLUTSequence" in frames[0].header:
        return np.stack([_by_table(f, p) for f, p in zip(frames, stored, strict=True)])
    if not any(map(is_calibrated, frames)):
        return np.stack([_upright(f, p) for f, p in zip(frames, stored, strict=True)])
    ranges = [(float(plane.min()), float(plane.max())) for plane in stored]
    values = np.empty(stored.shape, _type_for(frames, ranges, stored.dtype))
    for frame, plane, out in zip(frames, stored, values, strict=True):
        _rescale(frame, plane, out)
    return values


def value_of(frame: Frame, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give one frame as values in a type that `value_type` gave; what a lazy volume calls."""
    stored = stored_values(frame)
    if stored.ndim == 3:
        return stored
    if "ModalityLUTSequence" in frame.header:
        return _by_table(frame, stored).astype(dtype, copy=False)
    if not is_calibrated(frame):
        return _upright(frame, stored).astype(dtype, copy=False)
    out = np.empty(stored.shape, dtype)
    _rescale(frame, stored, out)
    return out


def value_type(frames: Sequence[Frame]) -> np.dtype[Any]:
    """Give the type of the values of frames without decoding more than the first of them."""
    first = values_of(frames[:1])
    if first.ndim == 4 or not any(map(is_calibrated, frames)):
        return first.dtype
    bits = int(frames[0].header.get("BitsStored", 16))
    lowest = -(2 ** (bits - 1)) if frames[0].header.get("PixelRepresentation") else 0
    return _type_for(frames, [(lowest, lowest + 2**bits - 1)] * len(frames), first.dtype)


def window_of(frame: Frame) -> tuple[float, float] | None:
    """Give the values between which a frame is to be shown; None where the file does not say."""
    shared = frame.header.get("SharedFunctionalGroupsSequence") or [None]
    groups = [group for group in (frame.group, shared[0]) if group is not None]
    own = [group.FrameVOILUTSequence[0] for group in groups if group.get("FrameVOILUTSequence")]
    source = own[0] if own else frame.header
    try:
        with quiet():
            centre, width = (_first_number(source, t) for t in ("WindowCenter", "WindowWidth"))
    except (ReadError, TypeError, ValueError):
        return None
    if centre is None or width is None or not width > 0:
        return None
    low, high = centre - width / 2, centre + width / 2
    if is_inverted(frame) and not is_calibrated(frame):
        bits = int(frame.header.get("BitsStored", 8))
        top = -1 if frame.header.get("PixelRepresentation") else 2**bits - 1
        low, high = top - high, top - low
    return low, high


def _first_number(source: Any, tag: str) -> float | None:
    value = source.get(tag)
    if value is None or value == "":
        return None
    single = value if isinstance(value, (int, float)) else value[0]
    return float(single) if np.isfinite(float(single)) else None


def _photometric(frame: Frame) -> str:
    return text(frame.header, "PhotometricInterpretation")


def _shape(frame: Frame) -> tuple[int, ...]:
    rows, columns, _ = frame.size
    return (rows, columns, 3) if is_colour(frame) else (rows, columns)


def _decoded(frame: Frame, index: int | None) -> NDArray[Any]:
    pydicom = import_pydicom()
    from pydicom.pixels import apply_color_lut, pixel_array

    syntax = frame.header.file_meta.get("TransferSyntaxUID")
    try:
        with quiet():
            whole = bool(syntax and syntax.is_deflated)  # pydicom cannot look into such a file
            pixels = pixel_array(pydicom.dcmread(frame.file) if whole else frame.file, index=index)
            if _photometric(frame) == "PALETTE COLOR":
                colours = apply_color_lut(pixels, frame.header)
                pixels = colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
    except MemoryError:
        raise
    except Exception as error:
        raise ReadError(_why_not(frame, error)) from error
    return pixels[..., :3] if is_colour(frame) else pixels


def _why_not(frame: Frame, error: Exception) -> str:
    name, reason = frame.file.name, str(error)
    syntax = frame.header.file_meta.get("TransferSyntaxUID")
    if ("missing" in reason and "depend" in reason) or "no decoder" in reason.lower():
        return (
            f"{name} is compressed ({getattr(syntax, 'name', 'unknown')}) and nothing installed "
            "can undo that; install 'napari-medseg[medical]' or export it without compression."
        )
    if isinstance(error, ValueError) and syntax and not syntax.is_encapsulated:
        return f"{name} is cut off; get the file again from where it came."
    return (
        f"{name} holds pixels that cannot be decoded ({type(error).__name__}); export it again "
        "from where it came, without compression if that can be chosen."
    )


def _by_table(frame: Frame, stored: NDArray[Any]) -> NDArray[Any]:
    from pydicom.pixels import apply_modality_lut

    with quiet():
        return np.asarray(apply_modality_lut(stored, frame.header))


def _upright(frame: Frame, stored: NDArray[Any]) -> NDArray[Any]:
    if not is_inverted(frame):
        return stored
    if stored.dtype.kind == "u":
        top = 2 ** int(frame.header.get("BitsStored", 8 * stored.dtype.itemsize)) - 1
        return np.asarray(stored.dtype.type(top) - stored)
    return -1 - stored if stored.dtype.kind == "i" else -stored


def _type_for(
    frames: Sequence[Frame], ranges: Sequence[tuple[float, float]], stored: np.dtype[Any]
) -> np.dtype[Any]:
    whole = all(value == int(value) for frame in frames for value in frame.rescale)
    if not whole or stored.kind == "f":
        return np.dtype(np.float32)
    ends = [
        slope * end + intercept
        for (slope, intercept), pair in zip((f.rescale for f in frames), ranges, strict=True)
        for end in pair
    ]
    for dtype in _INTEGERS:
        info = np.iinfo(dtype)
        if info.min <= min(ends) and max(ends) <= info.max:
            return np.dtype(dtype)
    return np.dtype(np.float32)


def _rescale(frame: Frame, stored: NDArray[Any], out: NDArray[Any]) -> None:
    slope, intercept = frame.rescale
    if out.dtype.kind == "f":
        np.multiply(stored, slope, out=out, casting="unsafe")
        out += intercept
    else:
        out[...] = stored.astype(np.int64) * int(slope) + int(intercept)
