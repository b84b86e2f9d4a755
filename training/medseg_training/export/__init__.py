"""From a run folder to a model folder of the zoo, whatever was trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medseg_training.export.files import ExportError
from medseg_training.in_context.recipe import Recipe
from medseg_training.recipe_files import RecipeError, read_config
from napari_medseg.zoo.cards import ModelCard

__all__ = ["ExportError", "export_run"]


def export_run(
    run: Path,
    folder: Path,
    *,
    name: str = "",
    title: str = "",
    results: Mapping[str, Any] | None = None,
    note: str = "",
    half: bool = False,
    **fields: Any,
) -> ModelCard:
    """Write the best weights of a run as a model folder that the app can import.

    Parameters
    ----------
    run
        A run folder; the training need not have finished.
    folder
        The model folder; an earlier export of the same run in it is replaced.
    name, title
        Of the model; by default from the run.
    results
        What an evaluation found; its validation stands for it until then.
    note
        What the recipe does not say, for the card.
    half
        Store float16, half as large; an in-context net always is.
    **fields
        Further fields of the `ModelCard`, such as ``modalities`` and ``licence``.

    Raises
    ------
    ExportError, CheckpointError
        When the run folder is incomplete, its weights are not finite, or another model is in
        `folder`.
    """
    from medseg_training.export.in_context import export_in_context
    from medseg_training.export.segmentation import export_segmentation

    try:
        config = read_config(run)
    except RecipeError as error:
        raise ExportError(str(error)) from error
    named = {"name": name, "title": title, "results": results, "note": note, **fields}
    if isinstance(config, Recipe):
        return export_in_context(run, config, folder, **named)
    return export_segmentation(run, config, folder, half=half, **named)
