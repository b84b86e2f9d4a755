"""Which models are offered first, and what their cards say."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image

from napari_medseg.session.with_model.card_fit import Rank, Traits, fit_of, kinds_in, ranked
from napari_medseg.session.with_model.card_words import (
    finds,
    how_good,
    input_words,
    matches,
    page_of,
)
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.registry import is_bundled, list_models

HU = {"kind": "window", "low": -125, "high": 275}


def card(name: str = "m", **fields) -> ModelCard:
    usual = {"kind": "pretrained", "classes": ("liver",), "input": {"size": [64, 64]}}
    fields = {"title": name, **usual, **fields}
    return ModelCard(name=name, net="UNet", file="model.safetensors", sha256="0" * 64, **fields)


def grey(name: str = "scan", low: float = 0.0, dtype=np.float32, **metadata) -> Traits:
    data = np.array([[low, low + 200.0]]).astype(dtype)
    return Traits.of(Image(data, name=name, metadata={"medseg": metadata}))


COLOUR = Traits.of(Image(np.zeros((8, 8, 3), np.uint8), rgb=True, name="photo"))


@pytest.mark.parametrize(
    ("stated", "traits", "rank"),
    [
        ({"modalities": ("CT axial (abdomen)",)}, grey("CT ABDOMEN 3"), Rank.FITS),
        ({"modalities": ("CT axial (abdomen)",)}, grey(value_unit="HU", low=-1000), Rank.SAME_KIND),
        ({"modalities": ("CT axial (abdomen)",)}, grey("CT CHEST 3"), Rank.UNFIT),
        ({"modalities": ("dermoscopy RGB",)}, grey("skin 4"), Rank.FITS),
        ({"modalities": ("CT axial",)}, grey("Cardiac MR"), Rank.UNFIT),
        ({"modalities": ("CT axial",)}, COLOUR, Rank.UNFIT),
        ({"modalities": ("dermoscopy RGB",)}, grey(), Rank.UNFIT),
        ({"modalities": ("dermoscopy RGB",)}, COLOUR, Rank.MAY_FIT),
        ({"input": {"size": [64, 64], "scaling": HU}}, grey(dtype=np.uint8), Rank.UNFIT),
        ({"input": {"size": [64, 64], "scaling": HU}}, grey(), Rank.MAY_FIT),
        ({"input": {"size": [64, 64], "scaling": HU}}, grey(low=-1000), Rank.MAY_FIT),
        ({"input": {}}, grey(), Rank.UNFIT),
        ({"kind": "in-context", "classes": ()}, grey(), Rank.NEEDS_EXAMPLES),
        ({}, grey(), Rank.MAY_FIT),
    ],
)
def test_what_fits_the_image_comes_first_with_a_reason(stated, traits, rank) -> None:
    fit = fit_of(card(**stated), traits)
    assert fit.rank == rank
    assert bool(fit.reason) == (rank is not Rank.MAY_FIT)


def test_the_order_is_by_fit_then_by_what_is_here() -> None:
    cards = [
        card("examples", kind="in-context"),
        card("wrong", modalities=("CT",)),
        card("elsewhere", classes=("brain",), modalities=("MRI",)),
        card("any", classes=("cyst",)),
        card("right", modalities=("cardiac MRI",)),
    ]
    order = [model.name for model, _ in ranked(cards, grey("Cardiac MR"))]
    assert order == ["right", "any", "wrong", "elsewhere", "examples"]


def test_of_models_that_may_fit_those_named_like_the_image_come_first() -> None:
    cards = [
        card("nuclei", classes=("nucleus",), modalities=("fluorescence",)),
        card("fetus", title="Fetal head", classes=("skull",), modalities=("ultrasound",)),
        card("brain", title="Hippocampus", classes=("anterior",), modalities=("MRI",)),
    ]
    order = [model.name for model, _ in ranked(cards, grey("hippocampus_001"))]
    assert order == ["brain", "fetus", "nuclei"]


def test_a_model_for_another_part_of_the_body_does_not_fit() -> None:
    brain = card(title="Hippocampus in T1 MRI", classes=("anterior",), modalities=("MRI",))
    heart = grey("Cardiac MR")
    assert fit_of(brain, heart).rank is Rank.UNFIT
    assert "head" in fit_of(brain, heart).reason
    assert fit_of(brain, grey("MR 4")).rank is Rank.SAME_KIND
    assert fit_of(brain, grey("MR BRAIN 4")).rank is Rank.FITS
    lungs = card(title="Lungs", classes=("lungs",), modalities=("CT",))
    assert fit_of(lungs, grey("CT HEART")).rank is Rank.FITS, "the heart lies in the chest"


def test_short_words_are_not_found_inside_others() -> None:
    assert kinds_in(["nucleus, section, structure, system"]) == frozenset()
    assert kinds_in(["US breast"]) == {"ultrasound"}


def test_a_card_says_it_in_few_words() -> None:
    many = card(classes=tuple(f"organ {n}" for n in range(10)))
    assert finds(many).endswith("organ 7, and 2 more")
    assert input_words(card(input={"size": [64, 96], "fit": "tile", "scaling": HU})) == (
        "tiles of 64 × 96, grey, values -125 to 275"
    )
    assert how_good(card()) == "not stated"
    assert how_good(card(results={"summary": "Dice 0.9 on 3 cases"})) == "Dice 0.9 on 3 cases"
    dice = {"dice": {"mean": 0.91, "liver": 0.93}, "protocol": "Mean over 9 cases. Empty ones too."}
    assert how_good(card(results=dice)) == "Dice mean 0.91, liver 0.93 (Mean over 9 cases)"
    dice["dice_spread"] = {"mean": {"cases": 9, "low": 0.87, "high": 0.94}, "liver": {"cases": 9}}
    assert how_good(card(results=dice)) == (
        "Dice mean 0.91 [0.87, 0.94], liver 0.93 (Mean over 9 cases; in brackets the 95 % interval)"
    )
    for odd in (0.1, {"mean": 0.1}, {"mean": {"low": "0.87", "high": "0.94"}}):
        assert (
            how_good(card(results={"dice": {"mean": 0.91}, "dice_spread": odd})) == "Dice mean 0.91"
        )
    assert how_good(card(results={"loss": 1.0})) == "measured, see its page"
    assert matches(card(title="Liver on CT"), "ct LIVER")
    assert not matches(card(title="Liver on CT"), "spleen")


def test_bundled_cards_name_their_data_as_everybody_does() -> None:
    cards = [found for found in list_models() if is_bundled(found) and found.kind == "pretrained"]
    assert len(cards) == 9
    for found in cards:
        name = found.training["dataset"]
        assert name in how_good(found)
        assert name in page_of(found)
        assert "_" not in name.replace("CHASE_DB1", ""), "that would be the name of a folder"
