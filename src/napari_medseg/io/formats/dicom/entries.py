"""Numbers and words in DICOM headers, taken from their bytes where those are regular.

pydicom makes objects that remember how an entry was written, which costs more time than all else
that is done with a header. What is not regular goes pydicom's way, and is judged there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from napari_medseg.io.errors import ReadError

if TYPE_CHECKING:
    from pydicom import Dataset

_PADDING = b" \0"
_SHORT_TEXTS = ("CS", "IS", "LO", "SH", "UI")


def numbers(entry: Dataset | None, keyword: str, count: int) -> tuple[float, ...] | None:
    """Give the decimal numbers of an entry; None where it is missing or empty.

    Raises
    ------
    ReadError
        Where they are not so many, or not finite.
    """
    if entry is None:
        return None
    found = _plain_numbers(entry, keyword)
    if found is None:
        value = entry.get(keyword)
        if value is None or value == "":
            return None
        values = [value] if isinstance(value, (str, int, float)) else list(value)
        found = tuple(float(v) for v in values)
    if len(found) != count or not all(map(math.isfinite, found)):
        raise ReadError(f"{keyword} holds {len(found)} values where {count} finite ones belong.")
    return found


def whole(header: Dataset, keyword: str, default: int) -> int:
    """Give an entry of the kind US (a number of two bytes); the default where it is missing."""
    raw = _raw(header, keyword, "US")
    if raw is not None and len(raw.value) == 2:
        return int.from_bytes(raw.value, "little" if raw.is_little_endian else "big")
    value = header.get(keyword)
    return default if value is None or value == "" else int(value)


def plain_text(header: Dataset, keyword: str) -> str | None:
    """Give a short text; None where it has several values or may need its character set."""
    raw = _raw(header, keyword, *_SHORT_TEXTS)
    if raw is None or not raw.value.isascii() or any(mark in raw.value for mark in b"\\\x1b"):
        return None
    return str(raw.value.strip(_PADDING), "ascii").strip()


def _plain_numbers(entry: Dataset, keyword: str) -> tuple[float, ...] | None:
    raw = _raw(entry, keyword, "DS")
    if raw is None or not raw.value:
        return None
    try:
        return tuple(float(part) for part in raw.value.strip(_PADDING).split(b"\\"))
    except ValueError:
        return None


def _raw(entry: Dataset, keyword: str, *kinds: str) -> Any:
    """Give an entry as it is in the file; None where pydicom has made an object of it already.

    A file of implicit kinds says none, and the standard's is then meant.
    """
    item = entry.get_item(keyword)
    regular = item is not None and item.is_raw and item.VR in (None, *kinds)
    return item if regular and isinstance(item.value, bytes) else None
