"""Pixels of DICOM frames as the values that they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.errors import DamagedFileError, ReadError
from napari_medseg.io.formats.dicom.frames import Frame
from napari_medseg.io.formats.dicom.headers import import_pydicom, no_pixels, quiet
from napari_medseg.io.formats.dicom.native import pixel_element, read_into

_INTEGERS = (np.int16, np.uint16, np.int32)


def is_colour(frame: Frame) -> bool:
    """Whether the pixels are colours once they are decoded."""
    return frame.pixels.samples == 3 or frame.pixels.photometric == "PALETTE COLOR"


def is_inverted(frame: Frame) -> bool:
    """Whether low values are meant to be shown bright (MONOCHROME1)."""
    return frame.pixels.photometric == "MONOCHROME1"


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
    single = frame.pixels.frames == 1
    return _decoded(frame, None if single else frame.index).reshape(_shape(frame))


def all_stored_values(frames: Sequence[Frame]) -> NDArray[Any]:
    """Give many frames as they are stored, (N, H, W[, 3]); each file is read once.

    Raises
    ------
    ReadError
        As `stored_values`, and where a frame is of another type than the first.
    """
    stored: NDArray[Any] | None = None
    place = 0
    for _, run in groupby(frames, key=lambda frame: frame.file):
        of_file = list(run)
        if stored is not None and len(of_file) == 1 and read_into(of_file[0], stored[place]):
            place += 1
            continue
        for plane in _planes_of_file(of_file):
            if stored is None:
                stored = np.empty((len(frames), *plane.shape), plane.dtype)
            elif plane.dtype != stored.dtype:
                stored = stored.astype(np.result_type(stored, plane), copy=False)
            stored[place] = plane
            place += 1
    assert stored is not None  # there is no image without a frame
    return stored


def _planes_of_file(frames: Sequence[Frame]) -> Iterator[NDArray[Any]]:
    if len(frames) == 1:
        yield stored_values(frames[0])
        return
    whole = _decoded(frames[0], None).reshape(-1, *_shape(frames[0]))
    yield from (whole[frame.index] for frame in frames)


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
    with quiet():
        stored = all_stored_values(frames)
    if stored.ndim == 4:
        return stored
    if "ModalityLUTSequence" in frames[0].header:
        return np.stack([_by_table(f, p) for f, p in zip(frames, stored, strict=True)])
    if not any(map(is_calibrated, frames)):
        return np.stack([_upright(f, p) for f, p in zip(frames, stored, strict=True)])
    ranges = [(float(plane.min()), float(plane.max())) for plane in stored]
    dtype = _type_for(frames, ranges, stored.dtype)
    values = stored if stored.dtype == dtype else np.empty(stored.shape, dtype)  # or in place
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
    bits = frames[0].pixels.stored
    lowest = -(2 ** (bits - 1)) if frames[0].pixels.signed else 0
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
        top = -1 if frame.pixels.signed else 2**frame.pixels.stored - 1
        low, high = top - high, top - low
    return low, high


def _first_number(source: Any, tag: str) -> float | None:
    value = source.get(tag)
    if value is None or value == "":
        return None
    single = value if isinstance(value, (int, float)) else value[0]
    return float(single) if np.isfinite(float(single)) else None


def _shape(frame: Frame) -> tuple[int, ...]:
    rows, columns, _ = frame.size
    return (rows, columns, 3) if is_colour(frame) else (rows, columns)


def _decoded(frame: Frame, index: int | None) -> NDArray[Any]:
    import_pydicom()
    from pydicom.pixels import apply_color_lut

    try:
        with quiet():
            pixels = _from_file(frame, index)
            if frame.pixels.photometric == "PALETTE COLOR":
                colours = apply_color_lut(pixels, frame.header)
                pixels = colours if colours.dtype == np.uint8 else (colours >> 8).astype(np.uint8)
    except MemoryError:
        raise
    except Exception as error:
        raise _why_not(frame, error) from error
    return pixels[..., :3] if is_colour(frame) else pixels


def _from_file(frame: Frame, index: int | None) -> NDArray[Any]:
    """Decode one frame or all of them, without going through the header again where possible."""
    from pydicom import dcmread
    from pydicom.pixels import get_decoder, pixel_array
    from pydicom.pixels.utils import as_pixel_options

    header, start = frame.header, getattr(frame.header, "pixels_at", None)
    if start is None:
        syntax = header.file_meta.get("TransferSyntaxUID")
        whole = bool(syntax and syntax.is_deflated)  # pydicom cannot look into such a file
        return np.asarray(pixel_array(dcmread(frame.file) if whole else frame.file, index=index))
    syntax = header.file_meta.TransferSyntaxUID
    with frame.file.open("rb") as stream:
        stream.seek(start)
        options = as_pixel_options(header, **pixel_element(stream, syntax))
        source = stream if syntax.is_encapsulated else stream.read()
        options |= {"transfer_syntax_uid": syntax, "view_only": not syntax.is_encapsulated}
        return np.asarray(get_decoder(syntax).as_array(source, index=index, **options)[0])


def _why_not(frame: Frame, error: Exception) -> ReadError:
    name, reason = frame.file.name, str(error)
    syntax = frame.header.file_meta.get("TransferSyntaxUID")
    if ("missing" in reason and "depend" in reason) or "no decoder" in reason.lower():
        return ReadError(
            f"{name} is compressed ({getattr(syntax, 'name', 'unknown')}) and nothing installed "
            "can undo that; install 'napari-medseg[medical]' or export it without compression."
        )
    if isinstance(error, ValueError) and syntax and not syntax.is_encapsulated:
        return DamagedFileError(no_pixels(frame.file), frame.file)
    return DamagedFileError(
        f"{name} holds pixels that cannot be decoded ({type(error).__name__}); export it again "
        "from where it came, without compression if that can be chosen.",
        frame.file,
    )


def _by_table(frame: Frame, stored: NDArray[Any]) -> NDArray[Any]:
    from pydicom.pixels import apply_modality_lut

    with quiet():
        return np.asarray(apply_modality_lut(stored, frame.header))


def _upright(frame: Frame, stored: NDArray[Any]) -> NDArray[Any]:
    if not is_inverted(frame):
        return stored
    if stored.dtype.kind == "u":
        top = 2**frame.pixels.stored - 1
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
        return
    # `out` holds every result. Its arithmetic leaves multiples of its range out on the way, so
    # that stored values which it does not hold come out right too.
    integer = out.dtype.type
    if not np.may_share_memory(out, stored):
        np.copyto(out, stored, casting="unsafe")
    if slope != 1.0:
        out *= np.int64(slope).astype(integer)
    out += np.int64(intercept).astype(integer)
