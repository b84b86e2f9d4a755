"""A tiny in-context model with random weights, registered in a models folder of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from napari_medseg.engine.support import SupportSet
from napari_medseg.zoo.cards import ModelCard


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch
    from safetensors.torch import save

    from napari_medseg.nets.universeg import UniverSeg

    root = tmp_path_factory.mktemp("models")
    folder = root / "tiny"
    folder.mkdir()
    torch.manual_seed(0)
    widths = [4, 4]
    content = save(UniverSeg(widths).state_dict())
    (folder / "model.safetensors").write_bytes(content)
    card = ModelCard(
        name="tiny",
        title="Tiny",
        kind="in-context",
        net="UniverSeg",
        net_options={"encoder_blocks": widths},
        file="model.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        input={"size": [32, 32]},
    )
    (folder / "model.json").write_text(card.to_json())
    return root


@pytest.fixture(autouse=True)
def models_folder(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tiny_models))
    return tiny_models


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def make_plane(seed: int, shape: tuple[int, int] = (48, 40)) -> tuple[np.ndarray, np.ndarray]:
    """A noisy plane with a bright disc, uint8, and the disc's mask."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0.3, 0.7, 2) * shape
    mask = disc(shape, (centre[0], centre[1]), min(shape) / 6)
    image = rng.normal(80, 10, shape) + 90 * mask
    return image.clip(0, 255).astype(np.uint8), mask.astype(np.uint8)


@pytest.fixture
def support() -> SupportSet:
    examples = SupportSet(class_names=("background", "disc"))
    for seed in range(3):
        examples.add(*make_plane(seed))
    return examples
