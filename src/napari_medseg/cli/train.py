"""``napari-medseg train``: the training package's command line, word for word."""

from __future__ import annotations

import typer

PROGRAM = "napari-medseg train"


def train(context: typer.Context) -> None:
    """Fit a network after a recipe, and what belongs to that.

    The words are those of python -m medseg_training: RECIPE [section.key=value ...] [--run FOLDER],
    --resume FOLDER, or one of its commands: recipes, verify-data, evaluate, compare-models, export,
    evaluate-in-context. Add --help for more.
    """
    from medseg_training.__main__ import COMMANDS, main

    words = list(context.args)
    if not words or words == ["--help"] or words == ["-h"]:
        raise typer.Exit(main(["--help"], PROGRAM))
    if words[0] not in COMMANDS:
        words.insert(0, "train")
    raise typer.Exit(main(words, PROGRAM))
