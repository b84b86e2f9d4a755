"""`export`: a model folder from a run folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be said on the command line."""
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--to", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--name", default="", help="of the model; default the run folder's")
    parser.add_argument("--title", default="", help="what a person reads")
    parser.add_argument("--modality", nargs="+", default=[], help="kinds of images")
    parser.add_argument("--description", default="", help="what the model is for")
    parser.add_argument("--licence", default="", help="terms of the weights")
    parser.add_argument("--results", type=Path, help="results file of an evaluation")
    parser.add_argument("--note", default="", help="what the recipe does not say, for the card")
    parser.add_argument("--half", action="store_true", help="store float16, half as large")


def run(options: argparse.Namespace) -> None:
    """Write the model folder.

    Raises
    ------
    ValueError
        When there is no such run, or no such results.
    ExportError, CheckpointError
        When the run cannot be exported.
    """
    from medseg_training.export import export_run
    from medseg_training.recipe_files import read_config

    read_config(options.run)  # refuses what is no run folder
    results = _results(options.results) if options.results else None
    card = export_run(
        options.run,
        options.to,
        name=options.name,
        title=options.title,
        results=results,
        note=options.note,
        half=options.half,
        **_stated(options),
    )
    print(f"{card.name}: {card.size_bytes:,} bytes after {card.training['steps']:,} steps")


def _results(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no results file of an evaluation (JSON).") from error
    return content


def _stated(options: argparse.Namespace) -> dict[str, object]:
    """Give the fields of the card that were named."""
    stated = {
        "modalities": tuple(options.modality),
        "description": options.description,
        "licence": options.licence,
    }
    return {key: value for key, value in stated.items() if value}
