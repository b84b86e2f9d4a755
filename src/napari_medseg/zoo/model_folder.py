"""The folder of a model: its card, its weights, and the page to read beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from napari_medseg.io.atomic import atomic_folder, make_folder
from napari_medseg.zoo.cards import CARD_FILE, PAGE_FILE, ModelCard
from napari_medseg.zoo.weights import load_net


def write_model_folder(card: ModelCard, weights: bytes, page: str, folder: Path) -> Path:
    """Write a model whole or not at all, loaded once to prove it.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    weights : bytes
        Of its file of weights, which gets the name that the card says.
    page : str
        The page to read beside them; empty for none.
    folder : Path
        Where to; the folder that it lies in is made where it is missing. A model that is there is
        replaced, anything else never.

    Returns
    -------
    Path
        The model's folder.

    Raises
    ------
    SaveError
        If it cannot be written, or is not loaded again as what the card says.
    """

    def write(target: Path) -> None:
        (target / card.file).write_bytes(weights)
        if page:
            (target / PAGE_FILE).write_text(page, encoding="utf-8")
        (target / CARD_FILE).write_text(card.to_json(), encoding="utf-8")

    make_folder(folder.parent)
    return atomic_folder(
        folder,
        write,
        lambda target: load_net(replace(card, folder=target)),
        may_replace=lambda target: (target / CARD_FILE).exists(),
    )


def read_page(card: ModelCard) -> str:
    """Give the page that came with a model, as Markdown; empty if there is none.

    Raises
    ------
    CardError
        If the card belongs to no folder.
    OSError, UnicodeDecodeError
        If the page cannot be read.
    """
    path = card.weights_path.parent / PAGE_FILE
    return path.read_text(encoding="utf-8") if path.is_file() else ""
