"""The examples of a working session: the support set, where each came from, how well it fits."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.session.layers.stack import PlaneKey, Stack

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_medseg.engine.by_example.adapt.adaptation import Adaptation
    from napari_medseg.engine.by_example.support import SupportExample

MOST_CLASSES = 20
"""Labels above this are taken for instance numbers, not for classes."""


class Origin:
    """The plane of an open layer on which an example was painted."""

    def __init__(self, image: Layer, key: PlaneKey) -> None:
        self._image = weakref.ref(image)
        self.key = key

    @property
    def lives(self) -> bool:
        """Whether the layer is there still."""
        return self._image() is not None

    def is_of(self, image: Layer | None) -> bool:
        """Tell whether it was painted on this layer, which may have been renamed since."""
        return image is not None and self._image() is image

    def is_same(self, other: Origin) -> bool:
        """Tell whether both are the same plane of the same layer, which lives still."""
        return self.key == other.key and self.is_of(other._image())


@dataclass
class Entry:
    """An example as the dock shows it; `score` is its leave-one-out Dice, None if not known."""

    example: SupportExample
    origin: Origin | None = None
    score: float | None = None

    def is_same(self, other: Entry) -> bool:
        """Tell whether both are of one plane: of a layer or, where none is known, by the image."""
        if self.origin and other.origin and self.origin.lives and other.origin.lives:
            return self.origin.is_same(other.origin)
        return np.array_equal(self.example.image, other.example.image)


class Examples:
    """A support set that is being built, and the names of its classes.

    Label values in the user's layers are the class numbers of the support set.
    """

    changed = Signal()
    """An example came or went, and all scores with it."""
    scores_changed = Signal()
    adaptation_changed = Signal()
    """An adaptation was kept or dropped."""
    classes_changed = Signal()
    """A class came, went, or got another name."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._memo: dict[Any, Any] = {}
        self._adaptation: Adaptation | None = None
        self._class_names: tuple[str, ...] = ("background", "class 1")

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The examples, in the order in which they were added."""
        return tuple(self._entries)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of every label value; the first is the background."""
        return self._class_names

    def support(self) -> SupportSet:
        """Give an independent support set for a job or a file."""
        support = SupportSet(class_names=self._class_names)
        support.examples = [entry.example for entry in self._entries]
        support.memo = self._memo
        support.adaptation = self._adaptation
        return support

    @property
    def adaptation(self) -> Adaptation | None:
        """The nets adapted to the examples, if they were kept; perhaps to earlier examples."""
        return self._adaptation

    @property
    def is_adaptation_stale(self) -> bool:
        """Whether examples came or went since; predictions then do without it."""
        kept = self._adaptation
        return kept is not None and kept.support_sha256 != self.support().examples_hash

    def keep_adaptation(self, adaptation: Adaptation | None) -> None:
        """Use an adaptation for the predictions that follow and save it with the examples."""
        self._adaptation = adaptation
        self.adaptation_changed.emit()

    def count(self, value: int) -> int:
        """Count the examples that show a class."""
        return sum(value in entry.example.classes for entry in self._entries)

    def add(self, example: SupportExample, origin: Origin | None = None) -> int:
        """Add an example; one from the same plane of the same layer is replaced.

        So is one of the same image that came back from a file and knows no plane: beside its own
        copy each would look better than it is.

        Returns
        -------
        int
            Where it stands now.

        Raises
        ------
        ValueError
            If it is painted with a label that is no class.
        """
        largest = max(example.classes)
        if largest >= max(len(self._class_names), MOST_CLASSES + 1):
            raise ValueError(
                f"Label {largest} has no row in the class table: paint with the classes listed "
                "there, or add rows."
            )
        self._extend_classes(largest)
        entry = Entry(example, origin)
        same = [known.is_same(entry) for known in self._entries]
        index = same.index(True) if any(same) else len(same)
        self._entries = [e for e, is_same in zip(self._entries, same, strict=True) if not is_same]
        self._entries.insert(index, entry)
        self._forget_scores()
        return index

    def remove(self, index: int) -> None:
        """Take an example out; what was painted in the labels layer stays."""
        del self._entries[index]
        self._forget_scores()

    def load(self, support: SupportSet) -> int:
        """Add the examples of a support set that are not here yet, and take its class names.

        The same example twice would be predicted from its own copy, and look better than it is.

        Returns
        -------
        int
            How many were added.

        Raises
        ------
        ValueError
            If its classes have other names than those that examples here already show, or that a
            person gave.
        """
        names = list(support.class_names) + list(self._class_names[len(support.class_names) :])
        for value, name in enumerate(support.class_names[1:], start=1):
            own = self._class_names[value] if value < len(self._class_names) else name
            if name == f"class {value}":  # is no name
                names[value] = own
            elif own != name and (self.count(value) or own != f"class {value}"):
                first = "remove the examples here first, or " if self.count(value) else ""
                raise ValueError(
                    f"Class {value} is “{own}” here but “{name}” in the examples you load: "
                    f"{first}rename the class."
                )
        if tuple(names) != self._class_names:
            self._class_names = tuple(names)
            self.classes_changed.emit()
        if not self._entries:
            self.keep_adaptation(support.adaptation)
        here = {entry.example.content_hash for entry in self._entries}
        new = {e.content_hash: Entry(e) for e in support if e.content_hash not in here}
        if new:
            self._entries += new.values()
            self._forget_scores()
        return len(new)

    def set_score(self, example: SupportExample, score: float) -> None:
        """Note how well the other examples predict this one."""
        for entry in self._entries:
            if entry.example is example and entry.score != score:
                entry.score = score
                self.scores_changed.emit()

    def add_class(self) -> int:
        """Add a class with a name of its own; gives its label value."""
        self._extend_classes(len(self._class_names))
        return len(self._class_names) - 1

    def adopt_class_names(self, names: Sequence[str]) -> None:
        """Take the names that came with a labels layer, unless examples show classes of ours."""
        if not self._entries and not self.is_named_by(names) and len(names) <= MOST_CLASSES + 1:
            self._class_names = tuple(name or f"class {value}" for value, name in enumerate(names))
            self.classes_changed.emit()

    def follow_class_names(self, before: Sequence[str], names: Sequence[str]) -> None:
        """Take the names of labels that had ours until another dock changed them.

        With examples here no class goes, and none gets another name that they show.
        """
        ours = self._class_names
        if tuple(before) != ours or tuple(names) == ours:
            return
        if self._entries:
            shown = {value for entry in self._entries for value in entry.example.classes}
            longer = [*names, *ours[len(names) :]]
            names = [ours[value] if value in shown else name for value, name in enumerate(longer)]
        self._class_names = tuple(names)
        self.classes_changed.emit()

    def is_named_by(self, names: Sequence[str]) -> bool:
        """Tell whether a labels layer's own names, if it has any, are those of the classes here."""
        return not self.unlike(names)

    def unlike(self, names: Sequence[str]) -> str:
        """Say which class a labels layer's own names call otherwise; empty if none, or no names."""
        if all(name == f"class {value}" for value, name in enumerate(names[1:], 1)):
            return ""
        ours = [*self._class_names, *[""] * len(names)]
        for value, name in enumerate(names):
            if name and name != ours[value]:
                known = f"the examples “{ours[value]}”" if ours[value] else "no example shows it"
                return f"class {value} “{name}”, {known}"
        return ""

    def rename_class(self, value: int, name: str) -> None:
        """Give a class another name; an empty one is refused by keeping the old.

        Raises
        ------
        ValueError
            If another class is called so.
        """
        name = " ".join(name.split())
        if not name or self._class_names[value] == name:
            return
        if name in self._class_names:
            raise ValueError(
                f"Class {self._class_names.index(name)} is called “{name}” already; choose another "
                "name."
            )
        self.name_classes({value: name})

    def name_classes(self, names: Mapping[int, str]) -> None:
        """Give several classes their names at once, as a model calls them."""
        known = dict(enumerate(self._class_names)) | dict(names)
        if tuple(known.values()) != self._class_names:
            self._class_names = tuple(known.values())
            self.classes_changed.emit()

    def why_not_removable(self, value: int) -> str:
        """Say why a class cannot be removed; empty if it can."""
        if value != len(self._class_names) - 1:
            return "Only the last class can be removed, so that labels keep their numbers."
        if value == 1:
            return "One class is needed."
        if self.count(value):
            return "Examples show this class; remove them first."
        return ""

    def remove_class(self, value: int) -> None:
        """Remove the last class.

        Raises
        ------
        ValueError
            If it cannot be removed; the message says why.
        """
        reason = self.why_not_removable(value)
        if reason:
            raise ValueError(reason)
        self._class_names = self._class_names[:-1]
        self.classes_changed.emit()

    def positions_in(self, image: Layer | None, stack: Stack) -> list[int]:
        """Give the planes of a stack on which examples were painted, in order."""
        found = {
            stack.position_of(entry.origin.key)
            for entry in self._entries
            if entry.origin is not None and entry.origin.is_of(image)
        }
        return sorted(position for position in found if position is not None)

    def _extend_classes(self, largest: int) -> None:
        missing = range(len(self._class_names), largest + 1)
        if missing:
            self._class_names += tuple(f"class {value}" for value in missing)
            self.classes_changed.emit()

    def _forget_scores(self) -> None:
        for entry in self._entries:
            entry.score = None
        self.changed.emit()
