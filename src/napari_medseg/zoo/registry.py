"""The models there are: those that come with the package, the user's, and those to download."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from napari_medseg.io.settings_file import read_settings
from napari_medseg.io.user_folders import data_folder
from napari_medseg.zoo.cards import CARD_FILE, CardError, ModelCard
from napari_medseg.zoo.published import downloadable

FOLDER_VARIABLE = "NAPARI_MEDSEG_MODELS"


def bundled_folder() -> Path:
    """Give the folder of the models that come with the package."""
    return Path(__file__).parent / "bundled"


def is_bundled(card: ModelCard) -> bool:
    """Tell whether a model comes with the package."""
    return card.folder is not None and card.folder.parent == bundled_folder()


def bundled_names() -> set[str]:
    """Give the names of the models that come with the package."""
    return {folder.name for folder in _model_folders(bundled_folder())}


def user_folder() -> Path:
    """Give the folder of the user's own models.

    It is the one that the variable NAPARI_MEDSEG_MODELS names, else the one of the settings, else
    one in the user's data folder.
    """
    chosen = os.environ.get(FOLDER_VARIABLE) or read_settings().cache_folder
    if chosen:
        return Path(chosen).expanduser()
    return data_folder() / "models"


def list_models(*, present: bool = False) -> list[ModelCard]:
    """Give the cards of all models: bundled ones, the user's, then those to download.

    Each group is in order of name; `ModelCard.state` says which can be used at once. A folder whose
    card cannot be read is left out with a warning, and so is a user's model that has the name of
    another: one broken folder must not take the rest away.

    Parameters
    ----------
    present : bool
        Whether to leave out those that are still to be downloaded.
    """
    cards, left_out = find_models(present=present)
    for sentence in left_out:
        warnings.warn(sentence, UserWarning, stacklevel=2)
    return cards


def find_models(*, present: bool = False) -> tuple[list[ModelCard], list[str]]:
    """Give the cards that `list_models` gives, and a sentence about each that it leaves out."""
    cards: dict[str, ModelCard] = {}
    left_out = []
    for root in (bundled_folder(), user_folder()):
        for folder in _model_folders(root):
            try:
                card = ModelCard.from_folder(folder)
            except CardError as error:
                left_out.append(f"A model was left out. {error}")
                continue
            if card.name in cards:
                left_out.append(
                    f"A second model named {card.name!r} was left out: rename it in its card."
                )
                continue
            cards[card.name] = card
    if not present:
        cards = {**{card.name: card for card in downloadable()}, **cards}
    ready = [card for card in cards.values() if card.state != "to download"]
    later = [card for card in cards.values() if card.state == "to download"]
    return ready + later, left_out


def get_card(name: str) -> ModelCard:
    """Give the card of one model.

    Raises
    ------
    CardError
        If there is no such model; the message lists those there are.
    """
    cards = {card.name: card for card in list_models()}
    if name not in cards:
        known = ", ".join(cards) or "none"
        raise CardError(f"There is no model named {name!r}; known models: {known}.")
    return cards[name]


def card_of(model: str | ModelCard) -> ModelCard:
    """Give the card of a model that is told by its name or by its card; see `get_card`."""
    if isinstance(model, ModelCard):
        return model
    if not isinstance(model, str):
        raise CardError(f"A model is told by its name or its card, not by {model!r}.")
    return get_card(model)


def _model_folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if (path / CARD_FILE).exists())
    except OSError:
        return []
