"""The only writer into a user's labels.

Whatever a method suggests gets into a labels layer here and nowhere else: only the voxels that
change are written, all of one accept in a single undo step, and what is locked stays as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.session.stack import PlaneKey, Stack

if TYPE_CHECKING:
    from napari.layers import Labels


class Mode(Enum):
    """What happens where a proposal meets labels that are already there."""

    KEEP = "Keep existing labels"
    OVERWRITE_CLASS = "Replace the same class"
    OVERWRITE_ALL = "Replace all labels"


@dataclass(frozen=True)
class Locks:
    """What a method must not touch.

    Parameters
    ----------
    planes : collection of PlaneKey
        Planes that were approved.
    classes : collection of int
        Label values that may neither appear nor disappear.
    """

    planes: Collection[PlaneKey] = frozenset()
    classes: Collection[int] = field(default_factory=frozenset)


def why_not_writable(layer: Labels) -> str:
    """Say in a sentence why labels cannot be written into a layer; empty if they can."""
    if layer.multiscale:
        return (
            f"“{layer.name}” holds labels at several resolutions, which cannot be edited; "
            "make a new labels layer."
        )
    data = layer.data
    if type(data).__module__.partition(".")[0] == "dask":
        return (
            f"“{layer.name}” is computed from a file while you look at it and cannot be edited; "
            "make a new labels layer."
        )
    if isinstance(data, np.ndarray) and not data.flags.writeable:
        return f"“{layer.name}” is read-only; make a new labels layer."
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


def write_planes(
    layer: Labels,
    stack: Stack,
    proposed: Mapping[int, NDArray[np.integer]],
    *,
    mode: Mode = Mode.KEEP,
    classes: Collection[int] | None = None,
    within: Mapping[int, NDArray[np.bool_]] | None = None,
    locks: Locks | None = None,
) -> int:
    """Write proposed planes into a labels layer as one undo step.

    Parameters
    ----------
    layer : napari Labels
        The user's labels.
    stack : Stack
        Where the planes lie.
    proposed : mapping of int to ndarray of integers (H, W)
        The labels per plane, by position along the stack.
    mode, classes :
        As in `merged`.
    within : mapping of int to ndarray of bool (H, W), optional
        Part of each plane that may change, such as one component; a plane that is not named is not
        restricted.
    locks : Locks, optional
        What must not change.

    Returns
    -------
    int
        How many voxels changed; with 0 there is no new undo step.

    Raises
    ------
    ValueError
        If the layer cannot be written, if the planes do not fit it, or if it cannot hold a label.
    """
    _require_room(layer, proposed)
    locks = locks or Locks()
    where: list[tuple[NDArray[np.intp], ...]] = []
    values: list[NDArray[np.integer]] = []
    for position, plane in proposed.items():
        if stack.key(position) in locks.planes:
            continue
        existing = _plane_of(layer, stack, position, plane.shape)
        new = merged(existing, plane, mode, classes, locks.classes)
        changed = new != existing
        if within is not None and position in within:
            changed &= within[position]
        if changed.any():
            where.append(stack.points(position, changed))
            values.append(new[changed])
    if not where:
        return 0
    indices = tuple(np.concatenate(axis) for axis in zip(*where, strict=True))
    with layer.block_history():
        layer.data_setitem(indices, np.concatenate(values))
    return int(indices[0].size)


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


def _require_room(layer: Labels, proposed: Mapping[int, NDArray[Any]]) -> None:
    reason = why_not_writable(layer)
    if reason:
        raise ValueError(reason)
    largest = max((int(plane.max(initial=0)) for plane in proposed.values()), default=0)
    if largest > np.iinfo(np.dtype(layer.data.dtype)).max:
        raise ValueError(f"“{layer.name}” cannot hold label {largest}; make a new labels layer.")
