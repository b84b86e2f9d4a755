"""Hand models on: export one as a folder, take such a folder in, remove one."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from napari_medseg.io.atomic import remove_folder
from napari_medseg.zoo.cards import CARD_FILE, WEIGHTS_FILE, CardError, ModelCard
from napari_medseg.zoo.checkpoints import another_installed, install
from napari_medseg.zoo.model_folder import read_page, write_model_folder
from napari_medseg.zoo.onnx_cache import cached_folder
from napari_medseg.zoo.registry import bundled_names, get_card
from napari_medseg.zoo.weights import read_verified


def export_model(name: str, folder: str | os.PathLike[str]) -> Path:
    """Write a model as a folder that another computer can import.

    Parameters
    ----------
    name : str
        An installed model.
    folder : path-like
        Gets a folder of the model's name: card, weights and the page to read, if it has one.

    Returns
    -------
    Path
        The model's folder; it was loaded once to prove it.

    Raises
    ------
    CardError, WeightsError
        If there is no such model, or its weights are missing or damaged.
    SaveError
        If it cannot be written; a folder of that name that holds no model is never replaced.
    """
    card = get_card(name)
    content = read_verified(card)
    return write_model_folder(card, content, read_page(card), Path(folder) / card.name)


def import_model(
    folder: str | os.PathLike[str], *, name: str | None = None, replaces: bool = False
) -> ModelCard:
    """Take in a model folder: one that was exported, or made by a training.

    A folder that models were exported to will do where it holds a single one.

    Raises
    ------
    CardError
        If the folder holds no usable card, or another model has the name and `replaces` is not
        said.
    WeightsError
        If its weights are not those of the card.
    SaveError
        If it cannot be saved.
    """
    card = ModelCard.from_folder(_folder_of_card(Path(folder)))
    content = read_verified(card)
    named = replace(card, name=name or card.name, file=WEIGHTS_FILE)
    return install(named, content, read_page(card), replaces=replaces)


def replaced_by(folder: str | os.PathLike[str]) -> ModelCard | None:
    """Give the user's model that `import_model` would replace by one of other weights, if any.

    Raises
    ------
    CardError
        If the folder holds no usable card.
    """
    return another_installed(ModelCard.from_folder(_folder_of_card(Path(folder))))


def remove_model(name: str) -> Path:
    """Remove a model of the user's, weights and all; give the folder that is no more.

    What was converted to ONNX of these weights goes with it.

    Raises
    ------
    CardError
        If there is no such model on this computer, or it comes with the package.
    SaveError
        If the folder cannot be removed.
    """
    card = get_card(name)
    if card.name in bundled_names():
        raise CardError(f"The model {name!r} comes with the package and cannot be removed.")
    if card.folder is None:
        raise CardError(f"The model {name!r} is not on this computer, so there is nothing to do.")
    remove_folder(card.folder)
    shutil.rmtree(cached_folder(card), ignore_errors=True)
    return card.folder


def _folder_of_card(folder: Path) -> Path:
    """Give the folder itself, or the only model in it, as `export_model` leaves it."""
    if (folder / CARD_FILE).exists():
        return folder
    inside = sorted(path.parent for path in folder.glob(f"*/{CARD_FILE}"))
    if len(inside) > 1:
        names = ", ".join(path.name for path in inside)
        raise CardError(f"The folder {folder.name!r} holds several models; name one: {names}.")
    if not inside:
        raise CardError(
            f"The folder {folder.name!r} holds no model (there is no {CARD_FILE} in it): choose "
            "the folder that a model was exported to, or import a checkpoint file."
        )
    return inside[0]
