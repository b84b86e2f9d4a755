from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from napari_medseg.cli import app
from napari_medseg.zoo.cards import CardError
from napari_medseg.zoo.checkpoints import import_checkpoint
from napari_medseg.zoo.onnx import export_onnx
from napari_medseg.zoo.weights import load_net

from .nets import small_net

INPUT = {"size": [32, 48], "channels": 1}


@pytest.fixture
def mine(models: Path, tmp_path: Path) -> str:
    torch.save(small_net().state_dict(), tmp_path / "mine.pt")
    output = {"activation": "softmax"}
    return import_checkpoint(
        tmp_path / "mine.pt", classes=("a", "b"), input=INPUT, output=output
    ).name


@pytest.mark.slow
def test_onnxruntime_gives_the_logits_of_torch(mine: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    done = CliRunner().invoke(
        app, ["models", "export", mine, "--to", "onnx", "-o", str(tmp_path / "out")]
    )
    assert done.exit_code == 0, done.stderr
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / f"{mine}.onnx"))
    image = torch.rand(3, 1, 32, 48)
    (found,) = session.run(None, {"image": image.numpy()})
    with torch.inference_mode():
        wanted = load_net(mine)(image).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    card = json.loads(session.get_modelmeta().custom_metadata_map["model.json"])
    assert card["classes"] == ["a", "b"]


@pytest.mark.slow
def test_condseg_takes_any_number_of_images(models: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    net = small_net("ConDSeg ResNet-18")
    torch.save(net.state_dict(), tmp_path / "mine.pt")
    name = import_checkpoint(
        tmp_path / "mine.pt", classes=("a",), input={"size": [32, 48], "channels": 3}
    ).name
    session = onnxruntime.InferenceSession(str(export_onnx(name, tmp_path / "out")))
    image = torch.rand(3, 3, 32, 48)
    (found,) = session.run(None, {"image": image.numpy()})
    with torch.inference_mode():
        wanted = net.mask_logits(image).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_model_that_needs_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="examples"):
        export_onnx("universeg-open", tmp_path)


def test_says_what_to_install(mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"napari-medseg\[onnx\]"):
        export_onnx(mine, tmp_path)
