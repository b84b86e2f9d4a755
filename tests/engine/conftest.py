"""Two in-context models in a folder of their own: one made by hand, one of random weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.zoo import architectures
from napari_medseg.zoo.cards import ModelCard

if TYPE_CHECKING:
    from torch import nn


def write_model(root: Path, name: str, net: nn.Module, **fields: Any) -> ModelCard:
    """Write a net as a model folder."""
    from safetensors.torch import save

    content = save(net.state_dict())
    folder = root / name
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(content)
    card = ModelCard(
        name=name,
        title=name,
        kind="in-context",
        net=type(net).__name__,
        file="model.safetensors",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        **fields,
    )
    (folder / "model.json").write_text(card.to_json(), encoding="utf-8")
    return card


@pytest.fixture(scope="session")
def test_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from napari_medseg.nets.universeg import UniverSeg
    from tests.engine.intensity_net import IntensityNet

    root = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    random = UniverSeg((4, 4))
    options = {"encoder_blocks": [4, 4]}
    write_model(root, "random", random, net_options=options, input={"size": [32, 32]})
    write_model(root, "intensity", IntensityNet(), input={"size": [64, 64]})
    return root


@pytest.fixture(autouse=True)
def models_folder(test_models: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(test_models))
    monkeypatch.setitem(architectures.NETS, "IntensityNet", "tests.engine.intensity_net")
    return test_models


def disc(shape: tuple[int, int], centre: tuple[float, float], radius: float) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= radius**2


def make_plane(seed: int, shape: tuple[int, int] = (96, 80)) -> tuple[np.ndarray, np.ndarray]:
    """A dark noisy plane with a bright disc, uint8, and the disc's mask."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0.35, 0.65, 2) * shape
    mask = disc(shape, (centre[0], centre[1]), min(shape) / 8)
    image = rng.normal(60, 5, shape) + 120 * mask
    return image.clip(0, 255).astype(np.uint8), mask.astype(np.uint8)


def make_colour_plane(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A plane whose disc differs from its surroundings in colour, but not in brightness."""
    shape = (64, 64)
    rng = np.random.default_rng(seed)
    mask = disc(shape, tuple(rng.uniform(24, 40, 2)), 10)
    grey = rng.uniform(60, 200, shape)
    image = np.stack([grey, grey, grey], axis=-1)
    # Equal luma: 0.299 * 58.7 = 0.587 * 29.9.
    image[mask] += (58.7, -29.9, 0.0)
    return image.clip(0, 255).astype(np.uint8), mask.astype(np.uint8)


@pytest.fixture
def support() -> SupportSet:
    examples = SupportSet(class_names=("background", "disc"))
    for seed in range(4):
        examples.add(*make_plane(seed))
    return examples
