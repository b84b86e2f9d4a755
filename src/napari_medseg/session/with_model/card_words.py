"""What a model card says, in the few words that fit into a picker."""

from __future__ import annotations

from collections.abc import Mapping

from napari_medseg.engine.results import byte_count
from napari_medseg.zoo.cards import CardError, ModelCard
from napari_medseg.zoo.model_folder import read_page
from napari_medseg.zoo.registry import is_bundled
from napari_medseg.zoo.specs import InputSpec

NOT_STATED = "not stated"
_MOST_CLASSES = 8


def finds(card: ModelCard) -> str:
    """Say what a model segments."""
    if card.kind == "in-context":
        return "what your examples show"
    shown = ", ".join(card.classes[:_MOST_CLASSES])
    more = len(card.classes) - _MOST_CLASSES
    return f"{shown}, and {more} more" if more > 0 else shown


def works_on(card: ModelCard) -> str:
    """Say on what kind of image."""
    shown = ", ".join(card.modalities[:4])
    more = len(card.modalities) - 4
    return (f"{shown}, and {more} more" if more > 0 else shown) or NOT_STATED


def how_good(card: ModelCard) -> str:
    """Give what the card says of its quality: its own summary, else Dice and its protocol."""
    results = card.results
    summary = results.get("summary")
    if isinstance(summary, str) and summary.strip():
        return summary.strip()
    dice = results.get("dice")
    scores = {"": dice} if isinstance(dice, float) else dict(dice or {})
    if not scores:
        return "measured, see its page" if results else NOT_STATED
    stated = results.get("dice_spread")
    intervals = {name: _interval(stated, name) for name in scores}
    shown = [f"{name} {value:.2f}{intervals[name]}".strip() for name, value in scores.items()]
    more = f", and {len(shown) - _MOST_CLASSES} more" if len(shown) > _MOST_CLASSES else ""
    protocol = str(results.get("protocol", "")).partition(". ")[0].rstrip(".")
    if any(intervals.values()):
        protocol += "; in brackets the 95 % interval"
    measured = f" ({protocol})" if protocol else ""
    return f"Dice {', '.join(shown[:_MOST_CLASSES])}{more}{measured}"


def _interval(stated: object, name: str) -> str:
    """Give the 95 % interval of a class's Dice; nothing where a card does not state it so."""
    match stated.get(name) if isinstance(stated, Mapping) else None:
        case {"low": float(low), "high": float(high)}:
            return f" [{low:.2f}, {high:.2f}]"
    return ""


def input_words(card: ModelCard) -> str:
    """Say what the net is shown: how much at once, grey or colour, which values."""
    if card.kind == "in-context":
        height, width = card.input.get("size", (0, 0))
        return f"whole plane at {height} × {width}, grey" if height else NOT_STATED
    try:
        return InputSpec.of(card).in_words
    except CardError:
        return NOT_STATED


def size_words(card: ModelCard) -> str:
    """Say how large the weights are."""
    if not card.size_bytes:
        return "known after the download" if card.state == "to download" else NOT_STATED
    return byte_count(card.size_bytes)


def source_words(card: ModelCard) -> str:
    """Say where the weights came from."""
    if is_bundled(card):
        return "comes with MedSeg"
    if card.source.get("url"):
        return f"published by its authors, {card.source['url']}"
    if card.source.get("file"):
        return f"imported from “{card.source['file']}”"
    return "trained or imported by you"


def state_words(card: ModelCard) -> str:
    """Say whether it can be used now, as shortly as can be."""
    return {"present": "", "to download": "to download", "missing": "weights missing"}[card.state]


def page_of(card: ModelCard) -> str:
    """Give the page that came with a model, as Markdown; empty if there is none to read."""
    try:
        return read_page(card)
    except (CardError, OSError, UnicodeDecodeError):
        return ""


def matches(card: ModelCard, searched: str) -> bool:
    """Say whether every word that is searched for occurs somewhere on the card."""
    told = (card.name, card.title, card.description, card.net, card.licence, source_words(card))
    text = " ".join((*told, *card.classes, *card.modalities)).casefold()
    return all(word in text for word in searched.casefold().split())
