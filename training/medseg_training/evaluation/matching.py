"""Which classes of a model and of a data set are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medseg_training.data.dataset import BACKGROUND, Dataset
from medseg_training.evaluation.choice import EvaluationError
from napari_medseg.zoo.cards import ModelCard


@dataclass(frozen=True, eq=False)
class ClassMatch:
    """Which classes are compared.

    Parameters
    ----------
    names : tuple of str
        Background first.
    of_model, of_data : ndarray of uint8, shape (256,)
        From a class index of the model, or of the data set, to an index of `names`.
    """

    names: tuple[str, ...]
    of_model: NDArray[np.uint8]
    of_data: NDArray[np.uint8]


def shared_classes(
    card: ModelCard, dataset: Dataset, wanted: Sequence[str] = (), *, merge: bool = False
) -> ClassMatch:
    """Decide which classes of a model and of a data set are the same.

    Classes of one name are; where both have a single class, so are these. Others count as
    background.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    dataset : Dataset
        Of the references.
    wanted : sequence of str
        Classes of the data set to compare; by default all that the model knows.
    merge : bool
        Take all of them as one class, and all of the model's.

    Raises
    ------
    EvaluationError
        If no class is left, or one is unknown.
    """
    known = dataset.class_names[1:]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise EvaluationError(f"The data has no class {unknown[0]!r}; it has {', '.join(known)}.")
    chosen = tuple(wanted) or known
    of_model, of_data = np.zeros(256, np.uint8), np.zeros(256, np.uint8)
    if merge:
        of_model[1 : len(card.classes) + 1] = 1
        for name in chosen:
            of_data[dataset.class_names.index(name)] = 1
        title = card.classes[0] if len(card.classes) == 1 else " + ".join(chosen)
        return ClassMatch((BACKGROUND, title), of_model, of_data)
    pairs = _pairs(card.classes, chosen)
    if not pairs:
        raise EvaluationError(
            f"The model finds {', '.join(card.classes)}, the data has {', '.join(chosen)}: no "
            "class has the same name. Rename the classes of the data, or compare all as one with "
            "--merge."
        )
    for index, (in_model, in_data) in enumerate(pairs, 1):
        of_model[card.classes.index(in_model) + 1] = index
        of_data[dataset.class_names.index(in_data)] = index
    return ClassMatch((BACKGROUND, *(name for _, name in pairs)), of_model, of_data)


def _pairs(of_model: Sequence[str], of_data: Sequence[str]) -> list[tuple[str, str]]:
    if len(of_model) == len(of_data) == 1:
        return [(of_model[0], of_data[0])]
    by_name = {name.casefold(): name for name in of_model}
    return [(by_name[n.casefold()], n) for n in of_data if n.casefold() in by_name]
