"""Which label values the classes of a model get in the user's labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_medseg.session.case import Case

_QUICKLY_SEARCHED = 2**26
"""Labels of more voxels than this are taken to hold something, rather than searched."""


def planned_values(case: Case, classes: Sequence[str]) -> tuple[int, ...]:
    """Give each class of a model the label value that it would be accepted as.

    In new or empty labels these are 1, 2, ... Otherwise a class that the labels know by name keeps
    its value there, and the others come after all that the labels know.
    """
    if _starts_afresh(case.labels):
        return tuple(range(1, len(classes) + 1))
    known = list(case.examples.class_names)
    values = []
    for name in classes:
        if name not in known[1:]:
            known.append(name)
        values.append(known.index(name, 1))
    return tuple(values)


def adopt_classes(case: Case, classes: Sequence[str], values: Sequence[int]) -> None:
    """Name the label values that a model's classes are accepted as."""
    afresh, examples = _starts_afresh(case.labels), case.examples
    while len(examples.class_names) <= max(values, default=0):
        examples.add_class()
    examples.name_classes(dict(zip(values, classes, strict=True)))
    while afresh and len(examples.class_names) > 1 + max(values, default=1):
        examples.remove_class(len(examples.class_names) - 1)


def _starts_afresh(labels: Labels | None) -> bool:
    if labels is None:
        return True
    data = labels.data
    if not isinstance(data, np.ndarray) or data.size > _QUICKLY_SEARCHED:
        return False
    return not data.any()
