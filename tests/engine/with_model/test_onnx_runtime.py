"""ONNX Runtime in torch's place: the same labels, converted once, and refused in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medseg.engine.with_model import runtimes
from napari_medseg.engine.with_model.job import segment
from napari_medseg.zoo import onnx_cache
from napari_medseg.zoo.cards import ModelCard
from tests.engine.pretrained import write_pretrained
from tests.zoo.nets import SMALL, small_net

TOLERANCE = 1e-4
"""Of probabilities; labels may differ only where two classes are as close as that."""


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path))
    fields = {"net_options": SMALL["UNet bilinear"][1], "classes": ("a", "b")}
    fields |= {"output": {"activation": "softmax"}, "input": {"size": [32, 32], "fit": "tile"}}
    return write_pretrained(tmp_path, "u", small_net(), **fields)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((50, 70))


def converted(folder: Path) -> list[Path]:
    return sorted((folder / onnx_cache.FOLDER).rglob("*.onnx"))


@pytest.mark.slow
def test_labels_are_those_of_torch_and_the_model_is_converted_once(
    card: ModelCard, image: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    expected = segment(image, card, flips=True)
    found = segment(image, card, flips=True, runtime="onnx")
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=TOLERANCE)
    unlike = found.labels != expected.labels
    best = np.sort(expected.probabilities, axis=0)[-2:, unlike]
    assert (best[1] - best[0] <= 2 * TOLERANCE).all()
    made = found.provenance.parameters
    assert (made["runtime"], made["device"]) == ("onnx", "cpu")

    (file,) = converted(tmp_path)
    assert file.parent.name == card.sha256
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = segment(image, card, flips=True, runtime="onnx")
    np.testing.assert_array_equal(again.labels, found.labels)
    assert file.read_bytes()[-1] == content[-1]

    def fail(*_: Any) -> None:
        raise AssertionError("converted although it was there")

    monkeypatch.setattr(onnx_cache, "write_onnx", fail)
    segment(image, card, runtime="onnx")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "classes", "activation"),
    [("SwinUNet", ("a", "b", "c"), "softmax"), ("ConDSeg ResNet-18", ("a",), "sigmoid")],
)
def test_published_nets_have_the_labels_of_torch(
    kind: str,
    classes: tuple[str, ...],
    activation: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path))
    fields = {"net_options": SMALL[kind][1], "classes": classes}
    fields |= {"output": {"activation": activation}, "input": {"size": [64, 64], "channels": 3}}
    card = write_pretrained(tmp_path, "net", small_net(kind), **fields)
    photo = np.random.default_rng(0).integers(0, 255, (70, 60, 3), np.uint8)
    expected = segment(photo, card)
    found = segment(photo, card, runtime="onnx")
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=TOLERANCE)
    assert (found.labels != expected.labels).mean() < 1e-3


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "cuda"}, "on the CPU, not on cuda"),
        ({"precision": "bfloat16"}, "leave bfloat16 out"),
    ],
)
def test_what_it_cannot_do_is_told(options: dict[str, str], words: str) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    asked = {"device": "auto", "precision": "float32"} | options
    with pytest.raises(ValueError, match=words):
        runtimes.check_runtime("onnx", **asked)


def test_an_unknown_runtime_is_told(card: ModelCard, image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="torch, onnx"):
        segment(image, card, runtime="abacus")


def test_says_what_to_install(
    card: ModelCard, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"napari-medseg\[onnx\]"):
        segment(image, card, runtime="onnx")
