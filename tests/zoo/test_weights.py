from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.weights import WeightsError, load_net

from .conftest import write

State = dict[str, torch.Tensor]


def test_a_net_comes_with_its_weights_ready_for_use(models: Path, state: State) -> None:
    write(models, {key: value.half() for key, value in state.items()})
    net = load_net("small")
    assert not net.training
    for key, value in net.state_dict().items():
        assert value.dtype == torch.float32
        assert not value.requires_grad
        torch.testing.assert_close(value, state[key].half().float())


def test_a_missing_file_is_told(models: Path, state: State) -> None:
    card = write(models, state)
    card.weights_path.unlink()
    with pytest.raises(WeightsError, match="missing: install"):
        load_net(card)


def test_a_single_changed_bit_is_noticed(models: Path, state: State) -> None:
    card = write(models, state)
    content = bytearray(card.weights_path.read_bytes())
    content[-5] ^= 1
    card.weights_path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged or were changed"):
        load_net(card)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.999])
def test_a_cut_file_is_noticed(models: Path, state: State, part: float) -> None:
    card = write(models, state)
    content = card.weights_path.read_bytes()
    card.weights_path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(WeightsError, match="damaged or were changed"):
        load_net(card)


def test_another_architecture_lists_what_does_not_fit(models: Path, state: State) -> None:
    changed = dict(state)
    first = next(iter(state))
    del changed[first]
    changed["surplus"] = torch.zeros(1)
    changed["out_conv.conv.bias"] = torch.zeros(7)
    card = write(models, changed)
    with pytest.raises(WeightsError) as caught:
        load_net(card)
    for words in (f"1 missing ({first})", "1 unexpected (surplus)", "(7,) instead of (1,)"):
        assert words in str(caught.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(models: Path, state: State, value: float) -> None:
    state["out_conv.conv.bias"] = torch.tensor([value])
    with pytest.raises(WeightsError, match="not finite"):
        load_net(write(models, state))


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.target,)


def test_a_pickle_is_never_opened_whatever_its_name(
    models: Path, state: State, tmp_path: Path
) -> None:
    import hashlib

    card = write(models, state)
    trap = pickle.dumps(Payload(tmp_path / "ran"))
    for name in ("model.pt", "model.safetensors"):
        (models / "small" / name).write_bytes(trap)
        renamed = replace(card, file=name, sha256=hashlib.sha256(trap).hexdigest())
        with pytest.raises(WeightsError, match="no safetensors file"):
            load_net(renamed)
    assert not (tmp_path / "ran").exists()


def test_a_card_without_a_net_of_this_version_is_told(models: Path, state: State) -> None:
    card = write(models, state)
    content = {**json.loads(card.to_json()), "net": "TomorrowNet"}
    with pytest.raises(ValueError, match="no net named 'TomorrowNet'"):
        load_net(ModelCard.from_json(json.dumps(content), card.folder))
