"""Taking the patient out of DICOM headers before anything is made from them.

Only what a segmentation needs is carried over, so that an entry nobody thought of stays behind. The
patient gets a pseudonym, and dates are moved by a number of days of her own; both follow from the
patient's ID and a secret key of this computer, so that all files of one patient agree and nobody
without the key finds the way back. UIDs stay as they are: they are what ties labels to images.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medseg.io.atomic import make_folder, write_once
from napari_medseg.io.user_folders import data_folder, former_key_folder

if TYPE_CHECKING:
    from pydicom import Dataset

METHOD = "Only what labels need is kept; dates moved, UIDs kept"
_KEPT = (
    "SOPClassUID",
    "SOPInstanceUID",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "FrameOfReferenceUID",
    "Modality",
    "SeriesNumber",
    "InstanceNumber",
    "PatientSex",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PositionReferenceIndicator",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "BitsAllocated",
)
_PLACES = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
}
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_KEY = "pseudonyms.key"
_FEWEST_DAYS, _MOST_DAYS = 365, 10 * 365


def deidentified(header: Dataset, key: bytes) -> Dataset:
    """Give a header without the patient: only what is known to be harmless is in it.

    Parameters
    ----------
    header : pydicom.Dataset
        Of an image; it is not changed.
    key : bytes
        Secret, the same for all files that shall agree; see `pseudonym_key`.

    Returns
    -------
    pydicom.Dataset
    """
    clean = _subset(header, _KEPT)
    for name in _GROUPS:
        if name in header:
            setattr(clean, name, [_placed(group) for group in header[name].value])
    clean.file_meta = header.file_meta
    pseudonym = pseudonym_of(header, key)
    clean.PatientName = clean.PatientID = pseudonym
    clean.PatientBirthDate = ""
    clean.StudyDate = moved_date(str(header.get("StudyDate", "")), days_of(header, key))
    clean.StudyTime = clean.StudyID = clean.AccessionNumber = clean.ReferringPhysicianName = ""
    clean.PatientIdentityRemoved, clean.DeidentificationMethod = "YES", METHOD
    return clean


def pseudonym_of(header: Dataset, key: bytes) -> str:
    """Give the name that stands for the patient of a header; the same for all files of hers."""
    return "ANON-" + _digest(header, key, b"name").hex()[:12].upper()


def days_of(header: Dataset, key: bytes) -> int:
    """Give by how many days the dates of a patient are moved back, between one and ten years."""
    number = int.from_bytes(_digest(header, key, b"days")[:8], "big")
    return _FEWEST_DAYS + number % (_MOST_DAYS - _FEWEST_DAYS)


def moved_date(date: str, days: int) -> str:
    """Give a date of DICOM (``YYYYMMDD``) so many days earlier; empty where it is none."""
    try:
        return (datetime.strptime(date, "%Y%m%d") - timedelta(days=days)).strftime("%Y%m%d")
    except ValueError:
        return ""


def pseudonym_key(folder: str | os.PathLike[str] | None = None) -> bytes:
    """Give the secret key of this computer; it is made at the first call and never leaves it.

    Raises
    ------
    SaveError
        Where it cannot be kept.
    """
    home = Path(folder) if folder is not None else _key_folder()
    file = home / _KEY
    if not file.is_file():
        make_folder(home)
        write_once(file, _write_key)
    return file.read_bytes()


def _write_key(path: Path) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(secrets.token_bytes(32))


def _key_folder() -> Path:
    named = os.environ.get("NAPARI_MEDSEG_DATA")
    if named:
        return Path(named)
    former = former_key_folder()
    return former if (former / _KEY).is_file() else data_folder()


def _digest(header: Dataset, key: bytes, purpose: bytes) -> bytes:
    patient = str(header.get("PatientID", "")) or str(header.get("StudyInstanceUID", ""))
    return hmac.new(key, purpose + b"\0" + patient.encode(), hashlib.sha256).digest()


def _subset(header: Dataset, names: tuple[str, ...]) -> Dataset:
    from pydicom import Dataset

    kept = Dataset()
    for name in names:
        if name in header:
            kept[name] = header[name]
    return kept


def _placed(group: Dataset) -> Dataset:
    from pydicom import Dataset

    placed = Dataset()
    for name, inside in _PLACES.items():
        if name in group:
            setattr(placed, name, [_subset(item, inside) for item in group[name].value])
    return placed
