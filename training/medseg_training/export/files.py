"""Reading a run folder and writing a model folder."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from medseg_training.run.events import EVENTS_FILE
from medseg_training.schema import CardOptions
from napari_medseg.zoo.cards import CardError, ModelCard
from napari_medseg.zoo.model_folder import write_model_folder
from napari_medseg.zoo.published import RESEARCH_ONLY


class ExportError(RuntimeError):
    """A run that cannot be exported; the message says why."""


def read_json(path: Path) -> Any:
    """Read a JSON file of a run folder.

    Raises
    ------
    ExportError
        When it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} cannot be read; is this a run folder? ({error})") from error


def stated(card: CardOptions, citation: str) -> dict[str, Any]:
    """Give the fields of a card that a recipe says."""
    return {
        "citation": citation,
        "modalities": card.modalities,
        "description": card.description,
        "not_for": f"{RESEARCH_ONLY} {card.not_for}".strip(),
        "licence": card.licence,
    }


def run_mark(run: Path) -> str:
    """Give a mark that tells one run from all others, the same whenever it is exported."""
    try:
        with open(run / EVENTS_FILE, "rb") as stream:
            return hashlib.sha256(stream.readline()).hexdigest()[:12]
    except OSError:
        return ""


def write_model(card: ModelCard, weights: bytes, page: str, folder: Path) -> ModelCard:
    """Write a model folder whole or not at all, loaded once to prove it.

    Parameters
    ----------
    card : ModelCard
        Its ``training["run"]`` is the `run_mark` of the run that it comes from.
    weights : bytes
        Of its file.
    page : str
        What a person reads beside them.
    folder : Path
        Where to; an earlier export of the same run is replaced, nothing else.

    Raises
    ------
    ExportError
        If another model is there.
    SaveError
        If it cannot be written.
    """
    there = _model_in(folder)
    if there is not None and not _of_run(there, card.training["run"]):
        raise ExportError(
            f"{folder} holds another model, {there.name!r}: remove it, or choose another folder."
        )
    return replace(card, folder=write_model_folder(card, weights, page, folder))


def _of_run(card: ModelCard, mark: str) -> bool:
    """Say whether a model is an export of a run; those of earlier versions do not tell of which."""
    return "steps" in card.training and card.training.get("run", mark) == mark


def _model_in(folder: Path) -> ModelCard | None:
    try:
        return ModelCard.from_folder(folder)
    except CardError:
        return None


def page_head(card: ModelCard, segments: str, weights: str) -> list[str]:
    """Give the lines with which every page beside weights begins.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    segments, weights : str
        What it segments, and what its weights are, in a sentence or two.
    """
    return [
        f"# {card.title}",
        "",
        segments,
        "",
        f"**Not for:** {card.not_for}",
        "",
        f"**Weights:** {weights} sha256 `{card.sha256}`.",
        "",
        f"**Cite:** {card.citation or 'not stated'}",
        "",
        "## How it was trained",
        "",
    ]
