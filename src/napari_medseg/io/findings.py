"""What a reader noticed about an image that the person who opens it must know."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.geometry import Geometry

_MOST_ANISOTROPIC = 10.0
_HEARD = local()
_ORTHOGONAL = 1e-3  # cosine between axes: an angle of 0.06 degrees


@dataclass(frozen=True)
class Finding:
    """Something about an image that is shown together with it.

    Parameters
    ----------
    code : str
        One word or two for programs: ``"uneven"``, ``"tilt"``, ``"sheared"``, ``"duplicate"``,
        ``"orientation unknown"``, ``"position unknown"``, ``"sform"``, ``"anisotropic"``,
        ``"not finite"``, ``"inverted"``, ``"overlap"``, ``"fractional"``, ``"distance unknown"``,
        ``"elsewhere"``, ``"regions"``, ``"missing chunks"`` or ``"time"``.
    sentence : str
        What it is and what follows from it, without anything about the patient.
    warning : bool
        Whether measurements or positions are at stake; else it is only good to know.
    """

    code: str
    sentence: str
    warning: bool = True

    def __str__(self) -> str:
        return self.sentence


DISTANCE_UNKNOWN = Finding(
    "distance unknown",
    "Nothing says how far apart the planes of this stack lie; the height of a pixel is assumed, so "
    "volumes, and what else is measured across planes, are not to be relied on.",
)
ORIENTATION_UNKNOWN = Finding(
    "orientation unknown",
    "This file does not say how it lies in the patient; it is shown as it is stored, and "
    "left and right may be exchanged.",
)
OVER_TIME = Finding(
    "time",
    "The planes of this stack are points in time; measure them one by one, as a volume of them "
    "means nothing.",
)


class FindingWarning(UserWarning):
    """A finding, told by the means of Python; napari shows it as a notification."""


@contextmanager
def hearing() -> Iterator[list[str]]:
    """Give the list to which what is told in this thread goes, instead of being warned of."""
    sentences: list[str] = []
    before = getattr(_HEARD, "sentences", None)
    _HEARD.sentences = sentences
    try:
        yield sentences
    finally:
        _HEARD.sentences = before


def tell(findings: Iterable[Finding]) -> None:
    """Warn of each finding that puts measurements or positions at stake, every time anew."""
    heard: list[str] | None = getattr(_HEARD, "sentences", None)
    if heard is not None:
        heard += warnings_of(findings)
        return
    for sentence in warnings_of(findings):
        warnings.warn_explicit(sentence, FindingWarning, __name__, 1)


def warnings_of(findings: Iterable[Finding]) -> list[str]:
    """Give the sentences of those findings that put measurements or positions at stake."""
    return [finding.sentence for finding in findings if finding.warning]


def geometry_findings(geometry: Geometry) -> list[Finding]:
    """Give what is unusual about a grid: axes that are not orthogonal, very long voxels."""
    found = []
    direction = np.array(geometry.direction)
    angles = np.abs(direction.T @ direction - np.eye(geometry.ndim))
    if angles.max() > _ORTHOGONAL:
        degrees = np.degrees(np.arcsin(min(angles.max(), 1.0)))
        found.append(
            Finding(
                "sheared",
                f"The axes of this image are not at right angles (off by {degrees:.1f}°); it is "
                "shown on its own grid, so angles and shapes on the screen are not the patient's.",
            )
        )
    longest, shortest = max(geometry.spacing), min(geometry.spacing)
    if longest > _MOST_ANISOTROPIC * shortest:
        found.append(
            Finding(
                "anisotropic",
                f"The voxels are {longest / shortest:.0f} times as long as they are wide; volumes "
                "measured on them are coarse.",
            )
        )
    return found


def value_findings(data: NDArray[Any]) -> list[Finding]:
    """Give what is unusual about pixel values in memory: NaN and infinity."""
    if data.dtype.kind != "f":
        return []
    bad = data.size - int(np.count_nonzero(np.isfinite(data)))
    if not bad:
        return []
    if bad == data.size:
        return [
            Finding(
                "not finite",
                "This image holds nothing but values that are not a number or infinite, so there "
                "is nothing to find in it; save it anew in the program that it comes from.",
            )
        ]
    return [
        Finding(
            "not finite",
            f"{bad} values of this image are not a number or infinite; to a method they are the "
            "lowest value and of no class, and measured intensities leave them out.",
        )
    ]
