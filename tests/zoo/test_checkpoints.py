from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from napari_medseg.io.atomic import SaveError
from napari_medseg.zoo import architectures, checkpoints
from napari_medseg.zoo.architectures import ENTRY_POINTS
from napari_medseg.zoo.cards import CardError
from napari_medseg.zoo.checkpoints import import_checkpoint
from napari_medseg.zoo.registry import get_card
from napari_medseg.zoo.specs import InputSpec
from napari_medseg.zoo.weights import WeightsError, load_net

from ..engine.pretrained import BrightNet
from .conftest import OPTIONS
from .test_weights import Payload

State = dict[str, torch.Tensor]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model": {f"module.{key}": value for key, value in state.items()}},
    ],
    ids=["bare", "wrapped", "wrapped and prefixed"],
)
def test_a_checkpoint_becomes_a_model(
    models: Path, tmp_path: Path, state: State, wrap: object
) -> None:
    torch.save(wrap(state), tmp_path / "downloaded.pt")
    card = import_checkpoint(tmp_path / "downloaded.pt", net_options=OPTIONS)
    assert card.name == "universeg-v1"
    assert "OpenRAIL" in card.licence
    assert get_card("universeg-v1") == card
    for key, value in load_net("universeg-v1").state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=0)


def test_the_official_key_names_and_shapes_are_taken(
    models: Path, tmp_path: Path, shared: Path
) -> None:
    card = import_checkpoint(shared / "golden" / "uvs_v1_random.safetensors", name="official")
    assert card.name == "official"
    assert sum(value.numel() for value in load_net(card).state_dict().values()) == 1_182_785


def test_names_of_models_are_plain_and_stay_apart() -> None:
    names = [checkpoints.plain_name(name) for name in ("Größe", "Gräße", "Ångström 2", "..", "心")]
    assert names == ["Grosse", "Grasse", "Angstrom-2", "model", "model"]


def test_importing_again_replaces_another_model_only_if_told(
    models: Path, tmp_path: Path, state: State
) -> None:
    save_file(state, tmp_path / "a.safetensors")
    import_checkpoint(tmp_path / "a.safetensors", net_options=OPTIONS)
    again = import_checkpoint(tmp_path / "a.safetensors", net_options=OPTIONS, licence="other")
    assert get_card(again.name).licence == "other"
    state["out_conv.conv.bias"] = torch.ones(1)
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(CardError, match="another model named 'universeg-v1'"):
        import_checkpoint(tmp_path / "a.safetensors", net_options=OPTIONS)
    assert get_card(again.name) == again
    card = import_checkpoint(tmp_path / "a.safetensors", net_options=OPTIONS, replaces=True)
    assert load_net(card).state_dict()["out_conv.conv.bias"].item() == 1
    assert [path.name for path in models.iterdir()] == ["universeg-v1"]


def test_a_models_folder_that_cannot_be_made_is_told(
    models: Path, tmp_path: Path, state: State
) -> None:
    models.rmdir()
    models.write_text("a file in its place")
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(SaveError, match="a file has its place"):
        import_checkpoint(tmp_path / "a.safetensors", net_options=OPTIONS)


def test_code_in_a_checkpoint_does_not_run(models: Path, tmp_path: Path, state: State) -> None:
    torch.save({"state_dict": state, "x": Payload(tmp_path / "ran")}, tmp_path / "trap.pt")
    with pytest.raises(WeightsError, match="could run code"):
        import_checkpoint(tmp_path / "trap.pt", net_options=OPTIONS)
    assert not (tmp_path / "ran").exists()
    assert not any(models.iterdir())


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04cut"])
def test_a_damaged_checkpoint_is_told(models: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.pt").write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.pt"):
        import_checkpoint(tmp_path / "broken.pt")


def test_a_missing_checkpoint_is_told(models: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no file"):
        import_checkpoint(tmp_path / "none.pt")


def test_a_checkpoint_of_another_net_leaves_nothing(
    models: Path, tmp_path: Path, state: State
) -> None:
    torch.save(state, tmp_path / "other.pt")
    with pytest.raises(WeightsError, match="another architecture"):
        import_checkpoint(tmp_path / "other.pt", net_options={"encoder_blocks": [4, 4]})
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(WeightsError, match="no state_dict"):
        import_checkpoint(tmp_path / "list.pt")
    with pytest.raises(CardError, match="no name for a model"):
        torch.save(state, tmp_path / "other.pt")
        import_checkpoint(tmp_path / "other.pt", name="a/b", net_options=OPTIONS)
    assert not any(models.iterdir())


def test_a_net_of_another_package_is_imported_with_what_is_said_of_it(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = EntryPoint("BrightNet", "tests.engine.pretrained:BrightNet", ENTRY_POINTS)
    monkeypatch.setattr(architectures, "entry_points", lambda **_: [point])
    file = tmp_path / "bright.pth"
    torch.save(BrightNet().state_dict(), file)
    stated = {"classes": ("bright",), "input": {"size": [32, 32]}}
    card = import_checkpoint(file, "BrightNet", **stated)
    assert (card.name, card.kind, card.classes) == ("bright", "pretrained", ("bright",))
    assert "No medical device" in card.not_for
    assert isinstance(load_net(card), BrightNet)
    old = replace(card, input={**card.input, "note": "of an earlier version"})
    assert InputSpec.of(old).size == (32, 32), "what is there stays usable"
    with pytest.raises(CardError, match="does not say what input it takes"):
        import_checkpoint(file, "BrightNet", name="other", classes=("bright",))
