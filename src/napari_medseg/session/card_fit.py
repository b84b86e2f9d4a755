"""How well a model fits an open image, as far as its card and the layer tell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_medseg.session.card_words import works_on
from napari_medseg.session.history import KEY
from napari_medseg.zoo.cards import CardError, ModelCard
from napari_medseg.zoo.specs import InputSpec

if TYPE_CHECKING:
    from napari.layers import Image

MODALITIES: dict[str, tuple[str, ...]] = {
    "CT": ("ct", "computed tomography"),
    "MRI": ("mr", "mri", "magnetic resonance"),
    "X-ray": ("x-ray", "xray", "cr", "dx", "radiograph", "cxr"),
    "mammography": ("mg", "mammography", "mammogram"),
    "ultrasound": ("us", "ultrasound", "sonography"),
    "dermoscopy": ("dermoscopy", "skin"),
    "fundus": ("fundus", "retina", "retinal"),
    "endoscopy": ("endoscopy", "colonoscopy", "laryngoscopy", "polyp"),
    "histology": ("histology", "h&e", "stained"),
    "fluorescence microscopy": ("fluorescence",),
    "electron microscopy": ("electron", "sem", "tem"),
}
"""Words by which a kind of image is recognised, in card and layer alike."""

_COLOURED = {"dermoscopy", "fundus", "endoscopy", "histology"}


class Rank(IntEnum):
    """The order in which models are offered."""

    FITS = 0
    MAY_FIT = 1
    UNFIT = 2
    NEEDS_EXAMPLES = 3


@dataclass(frozen=True)
class Fit:
    """How well a model fits, and why, in a few words."""

    rank: Rank
    reason: str = ""


@dataclass(frozen=True)
class Traits:
    """What is known of an image.

    Parameters
    ----------
    coloured : bool
        Whether it has colours.
    kinds : frozenset of str
        Keys of `MODALITIES` that its name or its file tell.
    lowest : float, optional
        Its smallest value, where known without reading it.
    """

    coloured: bool
    kinds: frozenset[str] = frozenset()
    lowest: float | None = None

    @classmethod
    def of(cls, image: Image) -> Traits:
        """Take them from a layer; nothing is read from disk."""
        note = image.metadata.get(KEY, {})
        kinds = kinds_in([image.name, str(note.get("source", {}).get("modality", ""))])
        if note.get("value_unit") == "HU":
            kinds = frozenset({"CT"})
        lowest = None if image.rgb else _lowest(image)
        return cls(bool(image.rgb), kinds, lowest)


def kinds_in(texts: Iterable[str]) -> frozenset[str]:
    """Give the kinds of images that texts name."""
    text = " ".join(texts).casefold()
    return frozenset(
        kind
        for kind, words in MODALITIES.items()
        if any(re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text) for word in words)
    )


def fit_of(card: ModelCard, traits: Traits | None) -> Fit:
    """Say how well a model fits an image; without one it may."""
    if card.kind == "in-context":
        return Fit(Rank.NEEDS_EXAMPLES, "Needs examples: use it in Segment by example.")
    if traits is None:
        return Fit(Rank.MAY_FIT)
    return _by_kind(card, traits) or _by_values(card, traits) or Fit(Rank.MAY_FIT)


def ranked(cards: Iterable[ModelCard], traits: Traits | None) -> list[tuple[ModelCard, Fit]]:
    """Order models: those that fit the image first, those that can be used at once before others.

    Otherwise they stay in their order.
    """
    judged = [(card, fit_of(card, traits)) for card in cards]
    return sorted(judged, key=lambda entry: (entry[1].rank, entry[0].state != "present"))


def _lowest(image: Image) -> float | None:
    """Give the smallest value of an image where it is known: its contrast may hide lower ones."""
    if np.dtype(image.dtype).kind in "bu":
        return 0.0
    seen = float(image.contrast_limits_range[0])
    return seen if seen < 0 else None


def _by_kind(card: ModelCard, traits: Traits) -> Fit | None:
    made_for = kinds_in(card.modalities)
    words = works_on(card)
    if traits.kinds and made_for:
        if traits.kinds & made_for:
            return Fit(Rank.FITS, f"Made for this kind of image: {words}.")
        seen = ", ".join(sorted(traits.kinds))
        return Fit(Rank.UNFIT, f"Made for {words}; this image seems to be {seen}.")
    if made_for and made_for <= _COLOURED and not traits.coloured:
        return Fit(Rank.UNFIT, f"Made for colour images ({words}); this one is grey.")
    if made_for and not made_for & _COLOURED and traits.coloured:
        return Fit(Rank.UNFIT, f"Made for grey images ({words}); this one has colours.")
    return None


def _by_values(card: ModelCard, traits: Traits) -> Fit | None:
    try:
        scaling = InputSpec.of(card).scaling
    except CardError as error:
        return Fit(Rank.UNFIT, str(error))
    if scaling.kind == "window" and scaling.low < 0 and traits.coloured:
        return Fit(Rank.UNFIT, "Made for values such as Hounsfield units; this one has colours.")
    below_zero = traits.lowest is None or traits.lowest < 0
    if scaling.kind == "window" and scaling.low < 0 and not below_zero:
        return Fit(
            Rank.UNFIT,
            f"Takes values from {scaling.low:g} to {scaling.high:g}, such as Hounsfield units; "
            "this image has none below 0.",
        )
    return None
