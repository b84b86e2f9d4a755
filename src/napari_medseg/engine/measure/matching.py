"""Which class of one label map is which class of another: by name where both say so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.measure.classes import class_boxes, class_name, classes_to_list


@dataclass(frozen=True)
class Matched:
    """A prediction in the numbers of its reference.

    Parameters
    ----------
    prediction : ndarray of int
        Renumbered where classes were matched by name; else as it was.
    names : tuple of str
        Of the reference's numbers, background first; empty where there are none.
    notice : str
        One sentence where the names contradict the numbers by which classes were matched.
    """

    prediction: NDArray[np.integer]
    names: tuple[str, ...]
    notice: str = ""


def match_classes(
    prediction: NDArray[np.integer],
    prediction_names: Sequence[str],
    reference: NDArray[np.integer],
    reference_names: Sequence[str],
) -> Matched:
    """Match the classes of two label maps.

    Files number the same classes differently: DICOM-SEG, for one, allows no gaps. Where the names
    of both are the same set, each name once, they say what belongs together, a class without a
    name being "class 3"; else the numbers do.

    Parameters
    ----------
    prediction, reference : ndarray of int
        Label maps.
    prediction_names, reference_names : sequence of str
        Their class names, background first; empty where there are none.
    """
    names = tuple(reference_names) or tuple(prediction_names)
    if not names or tuple(prediction_names) == tuple(reference_names):
        return Matched(prediction, names)
    found = _named(prediction, prediction_names)
    wanted = _named(reference, reference_names)
    numbers = {name: label for label, name in wanted.items()}
    same_set = sorted(found.values()) == sorted(wanted.values())
    if same_set and len(numbers) == len(wanted):
        renumbered = _renumbered(prediction, {k: numbers[name] for k, name in found.items()})
        return Matched(renumbered, tuple(reference_names))
    return Matched(prediction, names, _contradiction(found, wanted))


def _named(labels: NDArray[np.integer], names: Sequence[str]) -> dict[int, str]:
    """Give the name of each class that a label map has, or could have."""
    return {n: class_name(names, n) for n in classes_to_list(class_boxes(labels), names)}


def _renumbered(labels: NDArray[np.integer], numbers: Mapping[int, int]) -> NDArray[np.integer]:
    changed = {old: new for old, new in numbers.items() if old != new}
    if not changed:
        return labels
    highest = max(int(labels.max(initial=0)), *changed.values())
    renumbered = labels.astype(np.promote_types(labels.dtype, np.min_scalar_type(highest)))
    for old, box in class_boxes(labels).items():
        if old in changed:
            renumbered[box][labels[box] == old] = changed[old]
    return renumbered


def _contradiction(found: Mapping[int, str], wanted: Mapping[int, str]) -> str:
    """Say where names contradict numbers; empty where they nowhere do."""
    advice = "classes are compared by number, so give both the same names to match them by name."
    for label, name in found.items():
        other = wanted.get(label, name)
        if other != name and f"class {label}" not in (name, other):
            return (
                f"Class {label} is “{name}” in the prediction, “{other}” in the reference; {advice}"
            )
    for label, name in found.items():
        others = [number for number, other in wanted.items() if other == name]
        if others and label not in others:
            return (
                f"“{name}” is class {label} in the prediction, class {others[0]} in the reference; "
                f"{advice}"
            )
    return ""
