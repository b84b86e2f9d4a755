"""Small task folders and a small recipe, for tests of the training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg_training.in_context.recipe import Recipe
from medseg_training.recipe_files import build_recipe, find_recipe, read_content, read_recipe
from medseg_training.schema import RunConfig

RECIPE = Path(__file__).resolve().parents[2] / "training/medseg_training/recipes/in_context.toml"


def _write_task(folder: Path, pairs: int = 6, colour: bool = False, classes: int = 2) -> None:
    """A disc (class 1) and a square (class 2) at random places, brighter than their ground."""
    rng = np.random.default_rng(len(folder.name))
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows, columns = np.mgrid[:48, :40]
    for i in range(pairs):
        y, x = rng.integers(10, 30, 2)
        labels = np.zeros((48, 40), np.uint8)
        labels[(rows - y) ** 2 + (columns - x) ** 2 < 36] = 1
        if classes > 1:
            labels[2:9, 2:9] = 2
        image = 40 + 80 * labels + rng.normal(0, 5, labels.shape)
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        if colour:
            pixels = np.stack([pixels, pixels // 2, 255 - pixels], -1)
        Image.fromarray(pixels).save(folder / "images" / f"{i:03}.png")
        Image.fromarray(labels).save(folder / "masks" / f"{i:03}.png")


@pytest.fixture
def recipe_path() -> Path:
    """The shipped recipe."""
    return RECIPE


@pytest.fixture
def write_task() -> Callable[..., None]:
    """Write one task folder: `write_task(folder, pairs=6, colour=False, classes=2)`."""
    return _write_task


@pytest.fixture
def task_root(tmp_path: Path) -> Path:
    """Two grey tasks and one in colour."""
    root = tmp_path / "tasks"
    _write_task(root / "grey_one")
    _write_task(root / "grey_two", classes=1)
    _write_task(root / "colours", colour=True)
    return root


@pytest.fixture
def small_recipe(task_root: Path) -> Callable[..., Recipe]:
    """The shipped recipe with a tiny net, tiny images and few steps; keywords change it."""

    def build(**changes: object) -> Recipe:
        content = read_recipe(RECIPE).model_dump()
        content |= {
            "encoder_blocks": (8, 8),
            "precision": "float32",
            "log_every": 5,
            "stages": [{"steps": 12, "size": 32, "cost": 12.0}],
        }
        content["data"]["root"] = str(task_root)
        content["optimiser"] |= {"rate": 3e-3, "warm_up": 2, "fall": 1}
        recipe = build_recipe(content | changes)
        assert isinstance(recipe, Recipe)
        return recipe

    return build


@pytest.fixture(scope="session")
def image_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fifteen grey planes with a bright disc (class 1) and a square (class 2)."""
    folder = tmp_path_factory.mktemp("discs")
    _write_task(folder, pairs=15)
    return folder


@pytest.fixture
def small_config(image_folder: Path) -> Callable[..., RunConfig]:
    """A shipped recipe for a tiny net on tiny planes; changes are written "section__key"."""

    def build(recipe: str = "unet", **changes: object) -> RunConfig:
        content = read_content(find_recipe(recipe))
        content["data"] |= {"root": str(image_folder), "size": (32, 32)}
        content["trainer"] |= {"epochs": 3, "batch_size": 4, "log_every": 1, "precision": "float32"}
        if content.get("net", {}).get("name") == "UNet":
            content["net"]["options"] = {"width": 4}
        for path, value in changes.items():
            *sections, key = path.split("__")
            part = content
            for section in sections:
                part = part.setdefault(section, {})
            part[key] = value
        config = build_recipe(content)
        assert isinstance(config, RunConfig)
        return config

    return build
