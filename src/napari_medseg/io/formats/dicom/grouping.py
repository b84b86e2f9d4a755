"""Which frames of DICOM files belong together: those of one series, space, size and direction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from napari_medseg.io.formats.dicom.frames import Frame
from napari_medseg.io.formats.dicom.headers import text


def grouped(frames: Sequence[Frame]) -> list[tuple[list[Frame], str]]:
    """Give groups of frames, the largest first, with the space of each, such as ``"1 of 2"``.

    Positions in two frames of reference have nothing to do with each other. Where each image
    claims one for itself, as careless programs write it, none is believed. An image that names
    none lies in that of its series, where this has only one. The space is empty where it is the
    only one of its series.
    """
    places = _places(frames)
    groups: list[list[int]] = []
    by_key: dict[tuple[object, ...], list[list[int]]] = {}
    for n, frame in enumerate(frames):
        key = (*places[n], frame.size, frame.pose is None)
        same = by_key.setdefault(key, [])
        for group in same:
            pose = frames[group[0]].pose
            if pose is None or frame.pose is None or pose.is_parallel(frame.pose):
                group.append(n)
                break
        else:
            same.append([n])
            groups.append(same[-1])
    groups.sort(key=len, reverse=True)
    spaces: dict[str, list[str]] = {}
    placed = [places[group[0]] for group in groups if frames[group[0]].pose is not None]
    for uid, space in dict.fromkeys(placed):
        spaces.setdefault(uid, []).append(space)
    return [
        (
            [frames[n] for n in group],
            "" if frames[group[0]].pose is None else _told(*places[group[0]], spaces),
        )
        for group in groups
    ]


def _places(frames: Sequence[Frame]) -> list[tuple[str, str]]:
    """Give the UIDs of series and space of each frame, by the rules of `grouped`."""
    claimed = [_uid_and_space(frame) for frame in frames]
    images = Counter(claimed)
    named: dict[str, list[str]] = {}
    for uid, space in images:
        if space:
            named.setdefault(uid, []).append(space)
    places = []
    for uid, space in claimed:
        only = named.get(uid, [])
        lies_in = only[0] if not space and len(only) == 1 else space
        places.append((uid, lies_in if images[uid, lies_in] > 1 else ""))
    return places


def _uid_and_space(frame: Frame) -> tuple[str, str]:
    """Give the UIDs of series and frame of reference; a picture without a position has no space."""
    space = "" if frame.pose is None else text(frame.header, "FrameOfReferenceUID")
    return text(frame.header, "SeriesInstanceUID"), space


def _told(uid: str, space: str, spaces: dict[str, list[str]]) -> str:
    beside = spaces[uid]
    return f"{beside.index(space) + 1} of {len(beside)}" if len(beside) > 1 else ""
