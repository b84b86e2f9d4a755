"""The only writer into a user's labels.

Whatever a method suggests gets into a labels layer here and nowhere else: only the voxels that
change are written, all of one accept in a single undo step, and what is locked stays as it is.
A large accept is a job of many short steps, so that the window can answer in between.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.results import Progress
from napari_medseg.session.layers.stack import Stack
from napari_medseg.session.locks import Locks, locked_part
from napari_medseg.session.undo_step import Change, Written, one_undo_step

if TYPE_CHECKING:
    from napari.layers import Labels

PIXELS_PER_STEP = 2**15
"""So many pixels are looked at, and at most written, between two moments for the window."""

_being_written: WeakSet[Labels] = WeakSet()


class Mode(Enum):
    """What happens where a proposal meets labels that are already there."""

    KEEP = "Keep existing labels"
    OVERWRITE_CLASS = "Replace the same class"
    OVERWRITE_ALL = "Replace all labels"


def why_not_writable(layer: Labels) -> str:
    """Say in a sentence why labels cannot be written into a layer; empty if they can."""
    if layer.multiscale:
        return (
            f"“{layer.name}” holds labels at several resolutions, which cannot be edited; "
            "make a copy of it, or make a new labels layer."
        )
    data = layer.data
    if type(data).__module__.partition(".")[0] == "dask":
        return (
            f"“{layer.name}” is computed from a file while you look at it and cannot be edited; "
            "make a copy of it, or make a new labels layer."
        )
    if isinstance(data, np.ndarray) and not data.flags.writeable:
        return f"“{layer.name}” is read-only; make a copy of it, or make a new labels layer."
    return ""


def merged(
    existing: NDArray[np.integer],
    proposed: NDArray[np.integer],
    mode: Mode,
    classes: Collection[int] | None = None,
    locked_classes: Collection[int] = (),
) -> NDArray[np.integer]:
    """Combine a proposal with the labels that are there, without changing either.

    Parameters
    ----------
    existing, proposed : ndarray of integers, equal shapes
        0 is background.
    mode : Mode
        ``KEEP`` fills background only. ``OVERWRITE_CLASS`` makes the voxels of `classes` what the
        proposal says and fills background, other labels stay. ``OVERWRITE_ALL`` takes the proposal.
    classes : collection of int, optional
        The label values that the proposal is about; the default is those that appear in it.
    locked_classes : collection of int
        Label values that stay exactly as they are.

    Returns
    -------
    ndarray
        With the type of `existing`.
    """
    if mode is Mode.KEEP:
        result = np.where(existing == 0, proposed, existing)
    elif mode is Mode.OVERWRITE_CLASS:
        own = list(classes) if classes is not None else list(np.unique(proposed[proposed > 0]))
        result = np.where((existing == 0) | np.isin(existing, own), proposed, existing)
    else:
        result = proposed
    if locked_classes:
        locked = list(locked_classes)
        untouched = np.isin(existing, locked) | np.isin(result, locked)
        result = np.where(untouched, existing, result)
    return result.astype(existing.dtype)


def write_job(
    layer: Labels,
    stack: Stack,
    proposed: Mapping[int, NDArray[np.integer]],
    *,
    mode: Mode = Mode.KEEP,
    classes: Collection[int] | None = None,
    within: Mapping[int, NDArray[np.bool_]] | None = None,
    locks: Locks | None = None,
) -> Generator[Progress, None, Written]:
    """Write proposed planes into a labels layer as one undo step, a few pixels at a time.

    It runs on the GUI thread, which may do other things between the steps except change this
    layer. If it is closed early, or fails on its way, the labels are as they were before.

    Parameters
    ----------
    layer : napari Labels
        The user's labels.
    stack : Stack
        Where the planes lie.
    proposed : mapping of int to ndarray of integers (H, W)
        The labels per plane, by position along the stack; each is asked for when it is its turn.
    mode, classes :
        As in `merged`.
    within : mapping of int to ndarray of bool (H, W), optional
        Part of each plane that may change, such as one component; a plane that is not named is not
        restricted.
    locks : Locks, optional
        What must not change.

    Yields
    ------
    Progress
        In planes.

    Returns
    -------
    Written
        How many voxels changed; with 0 there is no new undo step.

    Raises
    ------
    ValueError
        If the layer cannot be written, if the planes do not fit it, or if it cannot hold a label.
    """
    _require_room(layer, proposed, classes)
    locks = locks or Locks()
    with _alone(layer), one_undo_step(layer) as step:
        for done, (position, plane) in enumerate(proposed.items()):
            part = None if within is None else within.get(position)
            for change in _changes(layer, stack, position, plane, mode, classes, part, locks):
                if change is not None:
                    step.put(change)
                yield Progress(done, len(proposed), "Writing into your labels")
    return step.written


def is_being_written(layer: Labels) -> bool:
    """Tell whether a `write_job` is on its way through a layer."""
    return layer in _being_written


def _changes(
    layer: Labels,
    stack: Stack,
    position: int,
    plane: NDArray[np.integer],
    mode: Mode,
    classes: Collection[int] | None,
    within: NDArray[np.bool_] | None,
    locks: Locks,
) -> Iterator[Change | None]:
    """Find what changes on a plane, some rows at a time; None where these rows stay."""
    key = stack.key(position)
    if key in locks.planes:
        return
    existing = _plane_of(layer, stack, position, plane.shape)
    if classes is None and mode is Mode.OVERWRITE_CLASS:
        classes = np.unique(plane[plane > 0]).tolist()
    locked = [part for lock in locks.planes if (part := locked_part(key, lock)) is not None]
    if locked:
        within = np.ones(plane.shape, bool) if within is None else within.copy()
        for part in locked:
            within[part] = False
    step = max(1, PIXELS_PER_STEP // max(plane.shape[1], 1))
    for top in range(0, plane.shape[0], step):
        rows = slice(top, top + step)
        new = merged(existing[rows], plane[rows], mode, classes, locks.classes)
        differs = new != existing[rows]
        if within is not None:
            differs &= within[rows]
        yield (stack.points(position, differs, top), new[differs]) if differs.any() else None


@contextmanager
def _alone(layer: Labels) -> Iterator[None]:
    if layer in _being_written:
        raise ValueError(f"“{layer.name}” is being written into: wait until that is done.")
    _being_written.add(layer)
    try:
        yield
    finally:
        _being_written.discard(layer)


def _plane_of(
    layer: Labels, stack: Stack, position: int, shape: tuple[int, ...]
) -> NDArray[np.integer]:
    if layer.data.ndim != len(stack.at):
        raise ValueError(_misfit(layer))
    try:
        plane = np.asarray(layer.data[stack.index(position)])
    except IndexError as error:
        raise ValueError(_misfit(layer)) from error
    if plane.shape != shape:
        raise ValueError(_misfit(layer))
    return plane


def _misfit(layer: Labels) -> str:
    return f"“{layer.name}” has another size than the image; choose or make labels that fit it."


def _require_room(
    layer: Labels, proposed: Mapping[int, NDArray[Any]], classes: Collection[int] | None
) -> None:
    reason = why_not_writable(layer)
    if reason:
        raise ValueError(reason)
    if classes is None:
        largest = max((int(plane.max(initial=0)) for plane in proposed.values()), default=0)
    else:
        largest = max(classes, default=0)
    if largest > np.iinfo(np.dtype(layer.data.dtype)).max:
        raise ValueError(f"“{layer.name}” cannot hold label {largest}; make a new labels layer.")
