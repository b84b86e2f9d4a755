"""Whose images they are: what was painted on one patient must not be handed on as another's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_medseg.io.errors import ReadError
from napari_medseg.io.formats.dicom.headers import is_dicom, read_header, text


def are_of_two_patients(first: Path | None, second: Path | None) -> bool:
    """Tell whether two files name different patients; not where one is no DICOM or names none."""
    one, other = ("" if file is None else _patient(file) for file in (first, second))
    return bool(one and other) and one != other


def first_file(source: Mapping[str, Any]) -> Path | None:
    """Give the first file of an image's source; None where that is no DICOM."""
    planes = source.get("planes") or ()
    return Path(str(planes[0][0])) if planes else None


@lru_cache(maxsize=64)
def _patient(file: Path) -> str:
    """Give the patient's number in a DICOM file; empty where there is none, or a pseudonym."""
    if not is_dicom(file):
        return ""
    try:
        header = read_header(file)
    except ReadError:
        return ""
    is_pseudonym = text(header, "PatientIdentityRemoved").upper() == "YES"
    return "" if is_pseudonym else text(header, "PatientID").strip()
