"""How well a model fits an open image, as far as its card and the layer tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.with_model.card_words import works_on
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

PARTS: dict[str, tuple[str, ...]] = {
    "head": ("head", "brain", "cerebral", "skull", "hippocampus", "glioma", "glioblastoma"),
    "neck": ("neck", "thyroid", "larynx", "laryngoscopy", "vocal folds", "carotid"),
    "heart": ("heart", "cardiac", "myocardium", "coronary"),
    "chest": ("chest", "thorax", "lung", "lungs", "pulmonary"),
    "breast": ("breast", "mammography", "mammogram"),
    "abdomen": ("abdomen", "abdominal", "liver", "hepatic", "spleen", "kidney", "kidneys"),
    "bowel": ("bowel", "colon", "colonoscopy", "polyp", "polyps"),
    "pelvis": ("pelvis", "pelvic", "prostate", "bladder", "uterus"),
    "spine": ("spine", "spinal", "cspine", "tspine", "lspine", "vertebra", "vertebrae", "lumbar"),
    "limbs": ("hand", "wrist", "elbow", "shoulder", "hip", "knee", "ankle", "foot", "leg", "arm"),
    "fetus": ("fetal", "fetus", "foetal", "foetus", "obstetric"),
}
"""Words by which a part of the body is recognised, in card and layer alike."""

_OF_ANY_PART = {"CT", "MRI", "X-ray", "ultrasound", "endoscopy"}
"""Kinds of images that say nothing about the part of the body."""
_COLOURED = {"dermoscopy", "fundus", "endoscopy", "histology"}


class Rank(IntEnum):
    """The order in which models are offered."""

    FITS = 0
    SAME_KIND = 1
    MAY_FIT = 2
    UNFIT = 3
    NEEDS_EXAMPLES = 4


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
    parts : frozenset of str
        Keys of `PARTS` that its name tells.
    words : frozenset of str
        The words of its name.
    """

    coloured: bool
    kinds: frozenset[str] = frozenset()
    lowest: float | None = None
    parts: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    @classmethod
    def of(cls, image: Image) -> Traits:
        """Take them from a layer; nothing is read from disk."""
        note = notes_of(image)
        kinds = kinds_in([image.name, str(note.get("source", {}).get("modality", ""))])
        if note.get("value_unit") == "HU":
            kinds = frozenset({"CT"})
        lowest = None if image.rgb else _lowest(image)
        named = parts_in([image.name]), _words_in([image.name])
        return cls(bool(image.rgb), kinds, lowest, *named)


def kinds_in(texts: Iterable[str]) -> frozenset[str]:
    """Give the kinds of images that texts name."""
    return _named(texts, MODALITIES)


def parts_in(texts: Iterable[str]) -> frozenset[str]:
    """Give the parts of the body that texts name; the heart is one of the chest, too."""
    found = _named(texts, PARTS)
    return found | {"chest"} if "heart" in found else found


def fit_of(card: ModelCard, traits: Traits | None) -> Fit:
    """Say how well a model fits an image; without one it may."""
    if card.kind == "in-context":
        return Fit(Rank.NEEDS_EXAMPLES, "Needs examples: use it in Segment by example.")
    if traits is None:
        return Fit(Rank.MAY_FIT)
    unfit = _by_kind(card, traits) or _by_part(card, traits) or _by_values(card, traits)
    return unfit or _fit(card, traits)


def ranked(cards: Iterable[ModelCard], traits: Traits | None) -> list[tuple[ModelCard, Fit]]:
    """Order models: those that fit the image first, those that can be used at once before others.

    Of those that may fit, the ones named like the image come before both. Otherwise they stay in
    their order.
    """
    judged = [(card, fit_of(card, traits)) for card in cards]

    def order(entry: tuple[ModelCard, Fit]) -> tuple[int, int, bool]:
        card, fit = entry
        unlike = 0 if traits is None or fit.rank is not Rank.MAY_FIT else _unlike(card, traits)
        return fit.rank, unlike, card.state != "present"

    return sorted(judged, key=order)


def _unlike(card: ModelCard, traits: Traits) -> int:
    """Rate how little a model's name says of an image: 0 where they share a word, 1 a part."""
    if traits.words & _words_in([card.title, *card.classes]):
        return 0
    return 1 if traits.parts & _parts_of(card) else 2


def _lowest(image: Image) -> float | None:
    """Give the smallest value of an image where it is known: its contrast may hide lower ones."""
    if np.dtype(image.dtype).kind in "bu":
        return 0.0
    seen = float(image.contrast_limits_range[0])
    return seen if seen < 0 else None


def _by_kind(card: ModelCard, traits: Traits) -> Fit | None:
    """Say why a model is for another kind of image; None where it need not be."""
    made_for = kinds_in(card.modalities)
    words = works_on(card)
    if traits.kinds and made_for:
        if traits.kinds & made_for:
            return None
        seen = ", ".join(sorted(traits.kinds))
        return Fit(Rank.UNFIT, f"Made for {words}; this image seems to be {seen}.")
    if made_for and made_for <= _COLOURED and not traits.coloured:
        return Fit(Rank.UNFIT, f"Made for colour images ({words}); this one is grey.")
    if made_for and not made_for & _COLOURED and traits.coloured:
        return Fit(Rank.UNFIT, f"Made for grey images ({words}); this one has colours.")
    return None


def _by_part(card: ModelCard, traits: Traits) -> Fit | None:
    """Say why a model is for another part of the body; None where it need not be."""
    made_for = _parts_of(card)
    if not made_for or not traits.parts or made_for & traits.parts:
        return None
    wanted, seen = (", ".join(sorted(parts)) for parts in (made_for, traits.parts))
    return Fit(
        Rank.UNFIT, f"Made for another part of the body ({wanted}); this seems to be {seen}."
    )


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


def _fit(card: ModelCard, traits: Traits) -> Fit:
    """Say how well a model fits that is for no other kind of image, or part of the body."""
    same = traits.kinds & kinds_in(card.modalities)
    if not same:
        return Fit(Rank.MAY_FIT)
    if same <= _OF_ANY_PART and not traits.parts & _parts_of(card):
        return Fit(
            Rank.SAME_KIND, f"Made for {works_on(card)}: see that it is for what this shows."
        )
    return Fit(Rank.FITS, f"Made for this kind of image: {works_on(card)}.")


def _parts_of(card: ModelCard) -> frozenset[str]:
    return parts_in([card.title, *card.classes, *card.modalities])


def _words_in(texts: Iterable[str]) -> frozenset[str]:
    """Give the words of texts that are long enough to mean something."""
    return frozenset(re.findall(r"[^\W\d_]{4,}", " ".join(texts).casefold()))


def _named(texts: Iterable[str], known: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Give the keys of which a word occurs in texts, whole."""
    text = " ".join(texts).casefold()
    return frozenset(
        key
        for key, words in known.items()
        if any(re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text) for word in words)
    )
