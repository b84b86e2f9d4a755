"""What a file of labels holds, whatever its format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_medseg.io.findings import Finding
from napari_medseg.io.geometry import Geometry

_MOST_TOLD = 4  # pairs of segments that overlap, in one sentence


@dataclass(frozen=True)
class LabelFile:
    """A label map as it was in its file.

    Parameters
    ----------
    labels : ndarray of unsigned integers, shape (H, W) or (Z, H, W)
        Class index per pixel; 0 is background.
    geometry : Geometry
        Of the axes of `labels`.
    class_names : tuple of str
        Name of each index from 0 on; empty where the file names none.
    provenance : mapping
        What made the labels; empty where the file does not say.
    name : str
        File name without its suffix.
    findings : tuple of Finding
        What the person who uses it must know.
    frame_of_reference : str
        UID of the space of the patient in which it lies, where a DICOM-SEG says it.
    file : Path, optional
        The DICOM-SEG itself, which may have come with the folder of its image.
    """

    labels: NDArray[np.unsignedinteger]
    geometry: Geometry
    class_names: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    findings: tuple[Finding, ...] = ()
    frame_of_reference: str = ""
    file: Path | None = None


def exact_labels(labels: ArrayLike) -> NDArray[np.unsignedinteger]:
    """Give labels in the smallest unsigned integer type that holds them exactly.

    Raises
    ------
    ValueError
        With one sentence, for negative, fractional or not finite values.
    """
    array = np.asarray(labels)
    if array.dtype == bool:
        return array.astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"Labels must be whole numbers; these are of type {array.dtype}.")
    if array.dtype.kind == "f" and not (np.isfinite(array) & (array == np.rint(array))).all():
        raise ValueError("Labels must be whole numbers; these hold fractions, NaN or infinity.")
    if array.size and array.min() < 0:
        raise ValueError(f"Labels must not be negative; the lowest here is {array.min():.0f}.")
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))


def names_to(named: Mapping[int, str]) -> tuple[str, ...]:
    """Give the name of each index from the background on, up to the highest that is named."""
    indices = range(1, max(named, default=0) + 1)
    return ("background", *(named.get(n) or f"class {n}" for n in indices))


def overlap_findings(lost: Counter[tuple[int, int]], names: Sequence[str]) -> list[Finding]:
    """Give the finding that segments overlap; the largest overlaps are told one by one.

    Parameters
    ----------
    lost : Counter
        How many voxels of a segment belong to which other one instead.
    names : sequence of str
        Name of each segment, by its number.
    """
    if not lost:
        return []

    def called(number: int) -> str:
        return f"“{names[number]}”" if number < len(names) else f"segment {number}"

    given = [
        f"{count:,} voxel{'s' if count > 1 else ''} of {called(loser)} went to {called(winner)}"
        for (loser, winner), count in lost.most_common(_MOST_TOLD)
    ]
    more = f" and so on, {lost.total():,} in all" if len(lost) > _MOST_TOLD else ""
    return [
        Finding(
            "overlap",
            "Segments of this file overlap, and a label map has one class per voxel: "
            f"{', '.join(given)}{more}.",
        )
    ]
