"""A models folder with one small model of random weights."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from napari_medseg.nets.universeg import UniverSeg
from napari_medseg.zoo.cards import ModelCard

OPTIONS = {"encoder_blocks": [2, 2]}


def write(root: Path, state: dict[str, torch.Tensor], name: str = "small") -> ModelCard:
    """Write a state dict as a model folder and give its card."""
    content = save({key: value.contiguous() for key, value in state.items()})
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(content)
    card = ModelCard(
        name=name,
        title="Small",
        kind="in-context",
        net="UniverSeg",
        net_options=OPTIONS,
        file="model.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )
    (folder / "model.json").write_text(card.to_json(), encoding="utf-8")
    return replace(card, folder=folder)


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return UniverSeg(**OPTIONS).state_dict()


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "models"
    root.mkdir()
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(root))
    return root
