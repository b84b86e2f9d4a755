"""What is measured: a model, and the cases to measure it on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medseg_training.data.dataset import Dataset
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


def _folds(dataset: Dataset, splits: Path | None) -> tuple[Fold, ...]:
    if splits is None:
        return folds_of(dataset)
    folds = read_folds(splits)
    check_folds(dataset, folds)
    return folds
