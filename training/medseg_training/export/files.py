"""Reading a run folder and writing a model folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_medseg.io.atomic import atomic_write
from napari_medseg.zoo.cards import ModelCard


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


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    atomic_write(path, lambda temporary: temporary.write_bytes(content))


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


def plain_name(name: str) -> str:
    """Give a name that a model can have everywhere: plain letters, digits, dots and dashes."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    return kept.strip("._-") or "model"
