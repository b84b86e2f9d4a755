"""What the manual shows runs as it stands there: a recipe and a net of one's own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from medseg_training.__main__ import main
from napari_medseg.engine.with_model.job import segment
from napari_medseg.zoo.cards import ModelCard

PAGE = Path(__file__).resolve().parents[2] / "docs" / "train-from-the-command-line.md"
SHORT = ("data.size=[32, 32]", "trainer.epochs=1", "trainer.batch_size=4")


def shown(first_words: str) -> str:
    """The block of the page that begins with these words."""
    blocks = re.findall(r"```\w*\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if block.startswith(first_words)]
    return str(found)


def test_the_recipe_of_ones_own_trains(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my-lungs.toml").write_text(shown("# my-lungs.toml"), encoding="utf-8")
    (tmp_path / "scans").symlink_to(image_folder)
    monkeypatch.chdir(tmp_path)
    small = (*SHORT, "net.options={width=4}")
    assert main(["train", "my-lungs.toml", *small, "--run", "runs/a"]) == 0
    assert main(["export", "runs/a", "--to", "model"]) == 0
    assert ModelCard.from_folder(Path("model")).title == "Lungs on my X-rays"


def test_the_net_of_ones_own_is_trained_exported_and_run(
    image_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [shown(name) for name in ("# pyproject.toml", "# tiny_net.py", "# tiny.toml")]
    assert sum(len(part.splitlines()) for part in parts) < 60
    project, module, recipe = parts
    (tmp_path / "tiny_net.py").write_text(module, encoding="utf-8")
    # What pip makes of the entry point when the package is installed.
    about = tmp_path / "tiny_net-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-net\nVersion: 1.0\n")
    point = re.search(r'"napari_medseg\.nets"\]\n(\w+) = "(.+)"', project)
    assert point is not None
    (about / "entry_points.txt").write_text(f"[napari_medseg.nets]\n{point[1]} = {point[2]}\n")
    monkeypatch.syspath_prepend(tmp_path)
    plain = Path(main.__code__.co_filename).parent / "recipes" / "unet.toml"
    own = re.sub(r"(?ms)^\[net\].*?(?=^\[)", recipe + "\n", plain.read_text(encoding="utf-8"))
    (tmp_path / "tiny.toml").write_text(own, encoding="utf-8")
    run = str(tmp_path / "run")
    words = [str(tmp_path / "tiny.toml"), f"data.root={image_folder}", *SHORT, "--run", run]
    assert main(words) == 0
    assert main(["export", run, "--to", str(tmp_path / "model")]) == 0
    card = ModelCard.from_folder(tmp_path / "model")
    assert (card.net, card.net_options["classes"]) == ("TinyNet", 3)
    found = segment(np.random.default_rng(0).random((40, 44)), card)
    assert found.labels.shape == (40, 44)
