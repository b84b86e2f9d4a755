"""What neither a method nor the brush may change: approved planes and locked classes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from napari_medseg.session.layers.notes import note, notes_of
from napari_medseg.session.layers.stack import PlaneKey

if TYPE_CHECKING:
    from napari.layers import Labels

_PLANES, _CLASSES = "approved", "locked_classes"


@dataclass(frozen=True)
class Locks:
    """What must not be touched.

    Parameters
    ----------
    planes : collection of PlaneKey
        Planes that were approved, along whatever axis.
    classes : collection of int
        Label values that may neither appear nor disappear.
    """

    planes: Collection[PlaneKey] = frozenset()
    classes: Collection[int] = field(default_factory=frozenset)

    def __bool__(self) -> bool:
        return bool(self.planes or self.classes)

    @classmethod
    def of(cls, layer: Labels | None) -> Locks:
        """Give the locks of a labels layer, which all docks share."""
        notes = notes_of(layer)
        return cls(notes.get(_PLANES, frozenset()), notes.get(_CLASSES, frozenset()))

    def put(self, layer: Labels) -> None:
        """Make them the locks of a labels layer."""
        note(layer, _PLANES, frozenset(self.planes))
        note(layer, _CLASSES, frozenset(self.classes))


def locked_part(plane: PlaneKey, lock: PlaneKey) -> tuple[int | slice, ...] | None:
    """Give where a locked plane cuts another plane, as an index into the latter; None if nowhere.

    Two planes of one volume cross in a line, are the same, or do not meet.
    """
    if len(plane) != len(lock):
        return None
    cut: list[int | slice] = []
    for own, theirs in zip(plane, lock, strict=True):
        if own is None:
            cut.append(slice(None) if theirs is None else theirs)
        elif theirs is not None and theirs != own:
            return None
    return tuple(cut)
