"""Planes of a DICOM series that lie in one place: copies, or another point of time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.io.errors import ReadError
from napari_medseg.io.findings import Finding
from napari_medseg.io.formats.dicom.frames import Frame
from napari_medseg.io.formats.dicom.grid import SAME_PLACE_MM, pose_of
from napari_medseg.io.formats.dicom.headers import text
from napari_medseg.io.formats.dicom.pixels import stored_values


def without_copies(frames: list[Frame]) -> tuple[list[Frame], list[Finding], int]:
    """Drop copies of a plane; give what is left, a notice, and how many times each place occurs.

    A plane that looks the same at every point of time, such as an empty one, is no copy: it has its
    own name, there are as many of it as of the others, and most of the others differ.

    Raises
    ------
    ReadError
        Where planes at one place differ, and not every place has as many, or where two planes
        have one name.
    """
    places: list[list[Frame]] = []
    for frame in frames:
        corner = pose_of(frame).corner
        if places and np.allclose(pose_of(places[-1][0]).corner, corner, atol=SAME_PLACE_MM):
            places[-1].append(frame)
        else:
            places.append([frame])
    kept = [_different(place) for place in places]
    refuse_one_name_for_two([frame for place in kept for frame in place])
    counts = {len(place) for place in kept}
    n_changing = sum(len(place) > 1 for place in kept)
    if len(counts) > 1 and 2 * n_changing > len(kept) and _are_as_many_images(places):
        return frames, [], len(places[0])
    names = {frame.file.name for place in places for frame in place} - {
        frame.file.name for place in kept for frame in place
    }
    findings = []
    if names:
        findings.append(
            Finding(
                "duplicate",
                f"Exact copies were left out: {', '.join(sorted(names))}.",
                warning=False,
            )
        )
    if len(counts) > 1:
        first = next(place for place in kept if len(place) > 1)
        raise ReadError(
            f"{first[0].file.name} and {first[1].file.name} show the same place differently; "
            "remove the one that does not belong here."
        )
    return [frame for place in kept for frame in place], findings, counts.pop()


def _are_as_many_images(places: list[list[Frame]]) -> bool:
    """Whether each place has as many planes, and each of them a name of its own."""
    frames = [frame for place in places for frame in place]
    names = {(text(frame.header, "SOPInstanceUID"), frame.index) for frame in frames}
    return len({len(place) for place in places}) == 1 and len(names) == len(frames)


def _different(place: list[Frame]) -> list[Frame]:
    """Give the frames of one place without those whose pixels another one has."""
    kept: list[tuple[Frame, NDArray[Any]]] = []
    if len(place) == 1:
        return place
    for frame in place:
        pixels = stored_values(frame)
        if not any(
            np.array_equal(pixels, other) and frame.rescale == twin.rescale for twin, other in kept
        ):
            kept.append((frame, pixels))
    return [frame for frame, _ in kept]


def refuse_one_name_for_two(frames: Sequence[Frame]) -> None:
    """Raise where two planes have one name, by which nothing could refer to either of them.

    Raises
    ------
    ReadError
        That names the files.
    """
    named: dict[tuple[str, int], Frame] = {}
    for frame in frames:
        uid = text(frame.header, "SOPInstanceUID")
        twin = named.setdefault((uid, frame.index), frame)
        if uid and twin is not frame:
            raise ReadError(
                f"{twin.file.name} and {frame.file.name} say that they are the same image, but "
                "differ; remove the one that does not belong here."
            )
