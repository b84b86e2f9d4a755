from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_medseg.zoo.architectures import NETS, build_net
from napari_medseg.zoo.cards import CardError, ModelCard
from napari_medseg.zoo.checkpoints import check_card
from napari_medseg.zoo.registry import bundled_folder, get_card, list_models, user_folder

from .conftest import write


def test_a_card_survives_its_file_and_leaves_the_folder_out(
    models: Path, state: dict[str, torch.Tensor]
) -> None:
    card = replace(
        write(models, state), classes=("a", "b"), modalities=("CT",), results={"dice": 0.5}
    )
    assert str(models) not in card.to_json()
    assert ModelCard.from_json(card.to_json(), card.folder) == card


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "magic"}, "unknown kind"),
        ({"sha256": "12"}, "sha256"),
        ({"name": "../x"}, "no name for a model"),
        ({"file": "../../secret.safetensors"}, "outside of its folder"),
    ],
)
def test_a_card_that_cannot_be_true_is_refused(
    models: Path, state: dict[str, torch.Tensor], change: dict[str, str], words: str
) -> None:
    content = json.loads(write(models, state).to_json())
    with pytest.raises(CardError, match=words):
        ModelCard.from_json(json.dumps({**content, **change}))


def test_a_model_cannot_name_two_classes_alike(
    models: Path, state: dict[str, torch.Tensor]
) -> None:
    card = replace(write(models, state), classes=("a", "a"))
    with pytest.raises(CardError, match="names two classes 'a'"):
        check_card(card)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 3}', "null"])
def test_what_is_no_card_is_told(text: str) -> None:
    with pytest.raises(CardError):
        ModelCard.from_json(text)


def test_entries_of_later_versions_are_ignored(
    models: Path, state: dict[str, torch.Tensor]
) -> None:
    content = {**json.loads(write(models, state).to_json()), "taste": "sweet"}
    assert ModelCard.from_json(json.dumps(content)).name == "small"


def test_models_of_the_user_are_listed(models: Path, state: dict[str, torch.Tensor]) -> None:
    write(models, state, "b")
    write(models, state, "a")
    (models / "no model").mkdir()
    names = [card.name for card in list_models(present=True)]
    assert names[-2:] == ["a", "b"]
    assert get_card("a").weights_path.exists()


def test_a_broken_folder_does_not_take_the_rest_away(
    models: Path, state: dict[str, torch.Tensor]
) -> None:
    write(models, state, "good")
    (models / "bad").mkdir()
    (models / "bad" / "model.json").write_text("{")
    with pytest.warns(UserWarning, match="left out"):
        assert "good" in [card.name for card in list_models()]


def test_a_second_model_of_one_name_is_left_out(
    models: Path, state: dict[str, torch.Tensor]
) -> None:
    write(models, state, "same")
    (models / "same").rename(models / "other")
    write(models, state, "same")
    with pytest.warns(UserWarning, match="second model named 'same'"):
        assert [card.name for card in list_models()].count("same") == 1


def test_an_unknown_name_lists_the_known_ones(models: Path, state: dict[str, torch.Tensor]) -> None:
    write(models, state)
    with pytest.raises(CardError, match=r"no model named 'x'; known models: .*small"):
        get_card("x")


def test_without_the_variable_models_live_in_the_users_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NAPARI_MEDSEG_MODELS", raising=False)
    assert user_folder().parts[-1] == "models"
    assert "napari-medseg" in str(user_folder())


def test_every_bundled_model_is_complete() -> None:
    for folder in bundled_folder().iterdir():
        if folder.is_dir() and not folder.name.startswith((".", "_")):
            card = ModelCard.from_folder(folder)
            assert card.weights_path.stat().st_size == card.size_bytes
            assert card.net in NETS


def test_unknown_nets_and_options_are_told() -> None:
    with pytest.raises(CardError, match="no net named 'Perceptron'"):
        build_net("Perceptron")
    with pytest.raises(CardError, match="cannot be built"):
        build_net("UniverSeg", {"layers": 3})
