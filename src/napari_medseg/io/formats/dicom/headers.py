"""DICOM files and their headers.

Nothing here is written to a log, and no value of a header that can name a person is handed on:
pydicom's own messages, which quote such values, are kept quiet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from napari_medseg.io.errors import ReadError
from napari_medseg.io.extras import import_extra
from napari_medseg.io.formats.dicom.entries import plain_text
from napari_medseg.io.hush import hushed

if TYPE_CHECKING:
    from pydicom import Dataset

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
SEGMENTATION_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"})
_PREAMBLE = 128
_SHORTEST = _PREAMBLE + 4  # the preamble and the word DICM
_LOOKED_AT = 64  # files of a folder, to see whether it is DICOM at all


def is_dicom(file: Path) -> bool:
    """Whether a file starts as DICOM files do."""
    try:
        with file.open("rb") as stream:
            return stream.read(_SHORTEST)[_PREAMBLE:] == b"DICM"
    except OSError:
        return False


def is_stump(file: Path) -> bool:
    """Whether of a file that is named as archives name images at most a preamble is left.

    They have no suffix, or a number as a UID has. Short texts are no stumps, and neither are empty
    files whose name holds no digit: programs mark a folder with them as done.
    """
    if file.suffix and not file.suffix[1:].isdigit():
        return False
    try:
        with file.open("rb") as stream:
            start = stream.read(_SHORTEST)
    except OSError:
        return False
    if not start:
        return any(character.isdigit() for character in file.name)
    return len(start) < _SHORTEST and b"\0" in start


def holds_dicom(folder: Path) -> bool:
    """Whether one of the first files in a folder, or in the folders in it, is DICOM."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return any(is_dicom(file) for file in islice(files, _LOOKED_AT))


def read_header(file: Path) -> Dataset:
    """Give everything of a file but its pixels.

    Where those begin stands in the attribute ``pixels_at`` of what is given, so that they can be
    read without going through the header once more; None where nobody can tell.

    Raises
    ------
    ReadError
        With one sentence, where it is no DICOM file.
    """
    pydicom = import_pydicom()
    try:
        with quiet(), file.open("rb") as stream:
            header: Dataset = pydicom.dcmread(stream, stop_before_pixels=True)
            syntax = header.file_meta.get("TransferSyntaxUID")
            plain = syntax is not None and not syntax.is_deflated
            header.pixels_at = stream.tell() if plain else None
    except FileNotFoundError as error:
        raise ReadError(
            f"{file.name} is not there any more; put it back, or open the images anew."
        ) from error
    except PermissionError as error:
        raise ReadError(f"You may not read {file.name}; ask its owner for the right to.") from error
    except Exception as error:
        raise ReadError(
            f"{file.name} is no whole DICOM file (the preamble DICM or the file meta information "
            "is missing or damaged); export it again from where it came."
        ) from error
    return header


def is_segmentation(header: Dataset) -> bool:
    """Whether a file is a DICOM-SEG."""
    return text(header, "SOPClassUID") in SEGMENTATION_CLASSES


def is_cut(header: Dataset) -> bool:
    """Whether a header breaks off: that of an image without a size, or of nothing at all."""
    kind = sop_class(header)
    return "Rows" not in header and (kind is None or "Image Storage" in kind.name)


def no_pixels(file: Path) -> str:
    """Say that a file lacks what `is_cut` looks for."""
    return f"{file.name} holds no pixels or is cut off; get the file again from where it came."


def text(header: Dataset, tag: str) -> str:
    """Give a word of the header that names no person; empty where it is missing."""
    plain = plain_text(header, tag)
    if plain is not None:
        return plain
    with quiet():
        try:
            return str(header.get(tag) or "").strip()
        except Exception:
            return ""


def quiet() -> AbstractContextManager[None]:
    """Keep pydicom's messages from screen and log: they quote the header."""
    return hushed("pydicom")


def import_pydicom() -> ModuleType:
    """Give pydicom.

    Raises
    ------
    ReadError
        Where it is not installed.
    """
    return import_extra("pydicom", "medical", "DICOM files need")


@contextmanager
def naming_tags(file: Path) -> Iterator[None]:
    """Put the name of the file, and of the entry at fault, before what goes wrong."""
    try:
        yield
    except ReadError as error:
        raise ReadError(str(error) if file.name in str(error) else f"{file.name}: {error}") from (
            error
        )
    except MemoryError:
        raise
    except Exception as error:
        raise ReadError(
            f"{file.name} has a header that cannot be understood ({type(error).__name__}); export "
            "it again from where it came."
        ) from error


def sop_class(header: Dataset) -> Any:
    """Give the identifier of the kind of object that a file holds; None where it says nothing."""
    return header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID") or None
