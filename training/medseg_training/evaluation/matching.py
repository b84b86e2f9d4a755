"""The model to measure, the cases to measure it on, and which of their classes are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medseg_training.data.dataset import BACKGROUND, Dataset
from medseg_training.data.splits import Fold, check_folds, folds_of, read_folds
from napari_medseg.zoo.cards import CARD_FILE, ModelCard
from napari_medseg.zoo.registry import get_card, list_models

Kind = Literal["pretrained", "in-context"]
SplitName = Literal["test", "val", "all"]


class EvaluationError(ValueError):
    """What was asked for cannot be measured; the message says why and what to do."""


@dataclass(frozen=True)
class Chosen:
    """Cases to measure on.

    Parameters
    ----------
    names : tuple of str
        Of the cases, all of which have a mask.
    title : str
        Which they are, in words.
    caution : str
        Why the figures may be too good; empty where they are not.
    """

    names: tuple[str, ...]
    title: str
    caution: str = ""


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


def find_model(name: str, kind: Kind | None = None) -> ModelCard:
    """Give the card of a model by its name in the zoo, its folder, or its training's run folder.

    Parameters
    ----------
    name : str
        Of any of them.
    kind : {"pretrained", "in-context"}, optional
        What it must be.

    Raises
    ------
    CardError
        If there is no such model.
    EvaluationError
        If a folder holds none, or the model is of the other kind.
    """
    card = _model_named(name)
    if kind in (None, card.kind):
        return card
    if kind == "pretrained":
        raise EvaluationError(
            f"The model {card.name!r} needs examples: measure it on tasks that it has not seen, "
            "with evaluate-in-context."
        )
    raise EvaluationError(
        f"The model {card.name!r} takes no examples: measure it on a data set, with evaluate."
    )


def _model_named(name: str) -> ModelCard:
    folder = Path(name)
    if not folder.is_dir() or name in {card.name for card in list_models(present=True)}:
        return get_card(name)
    if (folder / CARD_FILE).exists():
        return ModelCard.from_folder(folder)
    if (folder / "checkpoints").is_dir():
        from medseg_training.export import export_run

        return export_run(folder, folder / "export")
    raise EvaluationError(
        f"{folder} holds no {CARD_FILE}; export the run first, or give the folder of a model."
    )


def choose_cases(
    dataset: Dataset, split: SplitName, fold: int | None = None, splits: Path | None = None
) -> Chosen:
    """Choose what to measure on.

    Parameters
    ----------
    dataset : Dataset
        Where the cases are.
    split : {"test", "val", "all"}
        Held-out cases, the validation cases of a fold, or everything with a mask.
    fold : int, optional
        Of ``"val"``; 0 by default.
    splits : Path, optional
        A ``splits_final.json`` to use instead of the data set's own folds, such as that of a run.

    Raises
    ------
    EvaluationError, SplitError
        If there are no such cases.
    """
    if split == "test":
        names = tuple(n for n in dataset.test if dataset.case(n).label is not None)
        if not names:
            raise EvaluationError(
                f"{dataset.name} has no held-out cases with masks; measure on 'val' instead, or "
                "list cases under 'test' in its split.json."
            )
        return Chosen(names, f"the {_cases(len(names), 'held-out test')}")
    if split == "all":
        names = tuple(case.name for case in dataset.cases if case.label is not None)
        caution = "These include cases that the model may have been trained on."
        return Chosen(names, f"all of {_cases(len(names))}", caution)
    folds = _folds(dataset, splits)
    number = fold or 0
    if not 0 <= number < len(folds):
        raise EvaluationError(f"There is no fold {number}; the data set has {len(folds)}, from 0.")
    held = folds[number].val
    which = f" of fold {number}" if len(folds) > 1 else ""
    caution = (
        "If the model was trained on this fold, these cases chose its weights; if on another fold, "
        "it was trained on them."
    )
    return Chosen(held, f"the {_cases(len(held), 'validation')}{which}", caution)


def _cases(count: int, kind: str = "") -> str:
    return " ".join([str(count), *([kind] if kind else []), "case" if count == 1 else "cases"])


def match_classes(
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


def _folds(dataset: Dataset, splits: Path | None) -> tuple[Fold, ...]:
    if splits is None:
        return folds_of(dataset)
    folds = read_folds(splits)
    check_folds(dataset, folds)
    return folds
