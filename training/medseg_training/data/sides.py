"""What is wrong between the two sides of a division, once its images and masks were read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from medseg_training.data.dataset import Fold


def on_both_sides(
    pictures: Iterable[Sequence[str]], fold: Fold, test: Sequence[str] = ()
) -> list[Sequence[str]]:
    """Give the pictures that lie on several sides of a division.

    Parameters
    ----------
    pictures
        For each picture the names of the cases that show it.
    fold, test
        Names of the cases of each side.
    """
    sides = [set(side) for side in (fold.train, fold.val, test)]
    return [names for names in pictures if sum(not side.isdisjoint(names) for side in sides) > 1]


def only_held_out(shown: Mapping[str, AbstractSet[int]], fold: Fold) -> list[int]:
    """Give the classes that cases to validate on show, and none to learn from.

    Parameters
    ----------
    shown
        Indices of the classes in the mask of each case.
    fold
        The division.
    """
    train, val = (
        set[int]().union(*(shown.get(name, ()) for name in side)) for side in (fold.train, fold.val)
    )
    return sorted(val - train)


def not_learned(class_name: str, where: str = "") -> str:
    """Say that a class is found by `only_held_out`; `where` may name the fold."""
    return (
        f"Only cases to validate on show the class {class_name!r}{where}; it cannot be learned "
        "from the others."
    )
