from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from napari_medseg.io.atomic import SaveError
from napari_medseg.zoo.cards import CardError
from napari_medseg.zoo.checkpoints import import_checkpoint
from napari_medseg.zoo.exchange import export_model, import_model, remove_model
from napari_medseg.zoo.registry import get_card, list_models
from napari_medseg.zoo.weights import WeightsError, load_net

from .nets import small_net


@pytest.fixture
def mine(models: Path, tmp_path: Path) -> str:
    torch.save(small_net().state_dict(), tmp_path / "mine.pt")
    return import_checkpoint(tmp_path / "mine.pt", classes=("a", "b")).name


def test_a_model_travels_to_another_computer(
    models: Path, mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = load_net(mine).state_dict()
    folder = export_model(mine, tmp_path / "stick")
    assert {path.name for path in folder.iterdir()} == {"model.json", "model.safetensors"}
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path / "elsewhere"))
    card = import_model(folder)
    assert card.classes == ("a", "b")
    for key, value in load_net(get_card(mine)).state_dict().items():
        torch.testing.assert_close(value, weights[key], rtol=0, atol=0)


def test_the_folder_that_a_model_was_exported_to_can_be_imported(
    models: Path, mine: str, tmp_path: Path
) -> None:
    folder = export_model(mine, tmp_path / "stick")
    assert import_model(tmp_path / "stick", name="again").classes == ("a", "b")
    folder.with_name("second").symlink_to(folder)
    with pytest.raises(CardError, match=f"several models; name one: {mine}, second"):
        import_model(tmp_path / "stick")


def test_a_changed_export_is_not_taken_in(models: Path, mine: str, tmp_path: Path) -> None:
    folder = export_model(mine, tmp_path / "stick")
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged or were changed"):
        import_model(folder, name="other")
    with pytest.raises(CardError, match="holds no model"):
        import_model(tmp_path)


def test_a_folder_that_holds_no_model_is_not_replaced(
    models: Path, mine: str, tmp_path: Path
) -> None:
    (tmp_path / "stick" / mine).mkdir(parents=True)
    (tmp_path / "stick" / mine / "thesis.txt").write_text("years of work")
    with pytest.raises(SaveError):
        export_model(mine, tmp_path / "stick")
    with pytest.raises(SaveError, match="a file has its place"):
        export_model(mine, tmp_path / "stick" / mine / "thesis.txt")
    assert (tmp_path / "stick" / mine / "thesis.txt").exists()


def test_a_removed_model_is_gone_and_others_stay(models: Path, mine: str) -> None:
    remove_model(mine)
    assert mine not in [card.name for card in list_models()]
    assert not any(models.iterdir())
    with pytest.raises(CardError, match="no model named"):
        remove_model(mine)


def test_a_model_that_cannot_be_removed_stays_whole(
    models: Path, mine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuses)
    with pytest.raises(SaveError, match="was not removed: Permission denied"):
        remove_model(mine)
    monkeypatch.undo()
    assert (models / mine / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("name", "words"),
    [("universeg-open", "comes with the package"), ("universeg-v1", "not on this computer")],
)
def test_what_is_not_the_users_is_not_removed(models: Path, name: str, words: str) -> None:
    with pytest.raises(CardError, match=words):
        remove_model(name)
