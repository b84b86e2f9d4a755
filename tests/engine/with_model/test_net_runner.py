"""Too little memory, forecast or met: less at once, smaller tiles, the CPU, and a clear end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_medseg.engine.with_model import net_runner
from napari_medseg.engine.with_model.forecast import forecast_forward
from napari_medseg.engine.with_model.job import segment_job
from napari_medseg.engine.with_model.net_runner import NetRunner
from napari_medseg.engine.with_model.options import SegmentOptions
from napari_medseg.nets.inference import logits_of
from napari_medseg.nets.unet import UNet
from napari_medseg.zoo import architectures
from napari_medseg.zoo.cards import ModelCard
from tests.engine.pretrained import BrightNet, write_pretrained
from tests.zoo.nets import SMALL, small_net

TILED = {"size": [128, 128], "fit": "tile", "multiple": 16, "overlap": 0.0}


class GreedyNet(BrightNet):
    """Runs out of memory above so many pixels at once; on a GPU that is none, always."""

    room = 10**9
    asked: list[tuple[int, ...]] = []  # noqa: RUF012

    def forward(self, x: Tensor) -> Tensor:
        """Answer as `BrightNet`, or fail as torch does."""
        if x.device.type != "meta":
            self.asked.append(tuple(x.shape))
            if x.numel() > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return super().forward(x)


@pytest.fixture
def greedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    monkeypatch.setitem(architectures.NETS, "GreedyNet", "tests.engine.with_model.test_net_runner")
    monkeypatch.setattr(GreedyNet, "asked", [])
    stated = TILED | {"scaling": {"kind": "divide", "by": 255}}
    return write_pretrained(tmp_path, "greedy", GreedyNet(), input=stated)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (256, 256), np.uint8)


def finish(job: Any) -> tuple[list[Any], Any]:
    steps = []
    while True:
        try:
            steps.append(next(job))
        except StopIteration as stop:
            return steps, stop.value


def test_half_the_batch_is_tried_first(
    greedy: ModelCard, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GreedyNet, "room", 128 * 128)
    steps, found = finish(segment_job(image, SegmentOptions(greedy, batch=2)))
    np.testing.assert_array_equal(found.labels, image > 127)
    assert GreedyNet.asked[0][0] == 2
    assert {shape[0] for shape in GreedyNet.asked[1:]} == {1}
    assert found.provenance.parameters["tile"] == [128, 128]
    assert "tiles done" in steps[-1].message


def test_then_smaller_tiles_and_the_user_is_told(
    greedy: ModelCard, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GreedyNet, "room", 64 * 64)
    steps, found = finish(segment_job(image, SegmentOptions(greedy)))
    np.testing.assert_array_equal(found.labels, image > 127)
    assert found.provenance.parameters["tile"] == [64, 64]
    assert "Smaller tiles of 64 × 64" in steps[-1].message
    assert (steps[-1].done, steps[-1].total) == (16, 16)


def test_then_nothing_is_left_on_the_cpu(
    greedy: ModelCard, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GreedyNet, "room", 10)
    with pytest.raises(MemoryError, match="close other programs"):
        finish(segment_job(image, SegmentOptions(greedy)))


class FakeGpu:
    """Says it is a GPU; the tensors stay where they are."""

    type = "cuda"


def test_a_gpu_hands_over_to_the_cpu(greedy: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = NetRunner(greedy, SegmentOptions(greedy, tile=64))
    monkeypatch.setattr(runner, "device", FakeGpu())
    monkeypatch.setattr(runner, "batch", 4)
    tried = []

    def ask(batch: np.ndarray) -> np.ndarray:
        tried.append((runner.device.type, len(batch)))
        if runner.device.type == "cuda":
            raise MemoryError
        return batch

    monkeypatch.setattr(runner, "_ask", ask)
    patches = np.arange(4, dtype=np.float32).reshape(4, 1, 1, 1)
    np.testing.assert_array_equal(runner.probabilities(patches), patches)
    assert tried == [("cuda", 4), ("cuda", 2), ("cuda", 1), *[("cpu", 1)] * 4]
    assert "going on with the CPU" in runner.notice


def test_what_cannot_fit_is_made_smaller_before_it_fails(
    greedy: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs = forecast_forward(lambda net, x: net(x), GreedyNet(), (1, 1, 64, 64))
    monkeypatch.setattr(net_runner, "available_memory", lambda _: needs)
    runner = NetRunner(greedy, SegmentOptions(greedy))
    assert runner.tile == (64, 64)
    assert "Smaller tiles" in runner.notice
    assert not GreedyNet.asked
    monkeypatch.setattr(net_runner, "available_memory", lambda _: 1000)
    with pytest.raises(MemoryError, match=r"needed, 1.0 kB free"):
        NetRunner(greedy, SegmentOptions(greedy))


def test_other_failures_are_not_taken_for_a_lack_of_memory(
    greedy: ModelCard, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: GreedyNet, x: Tensor) -> Tensor:
        if x.device.type != "meta":
            raise RuntimeError("a fault of the net")
        return BrightNet.forward(self, x)

    monkeypatch.setattr(GreedyNet, "forward", broken)
    said = "net GreedyNet of the package tests cannot be used: it raised RuntimeError: a fault of"
    with pytest.raises(ValueError, match=said):
        finish(segment_job(image, SegmentOptions(greedy)))


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda x: x[..., ::2, ::2], r"gives \(1, 1, 64, 64\) instead of \(1, 1, 128, 128\)"),
        (lambda x: (x, x), "gives tuple instead of"),
        (lambda x: x / 0 * 0, "values that are no numbers"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told(
    answer: Callable[[Tensor], Any],
    sentence: str,
    greedy: ModelCard,
    image: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(GreedyNet, "forward", lambda _, x: answer(x))
    with pytest.raises(ValueError, match=sentence):
        finish(segment_job(image, SegmentOptions(greedy)))


def test_the_forecast_counts_what_is_alive_at_once() -> None:
    """Two convolutions in a row: an input, and at most two maps at any time."""
    net = torch.nn.Sequential(*(torch.nn.Conv2d(4, 4, 3, padding=1) for _ in range(6)))
    need = forecast_forward(lambda net, x: net(x), net, (1, 4, 100, 100))
    maps = need / (4 * 100 * 100 * 4)
    assert 2 <= maps <= 5


def test_the_forecast_grows_with_the_input_and_needs_no_memory() -> None:
    net = UNet(1, 2)
    sizes = [
        forecast_forward(lambda net, x: net(x), net, (batch, 1, side, side))
        for batch, side in ((1, 256), (1, 512), (4, 512), (64, 4096))
    ]
    assert sizes == sorted(sizes)
    assert sizes[1] == pytest.approx(4 * sizes[0], rel=0.05)
    assert sizes[3] > 2**40


@pytest.mark.parametrize("kind", [kind for kind in SMALL if kind != "UniverSeg"])
def test_every_net_can_be_forecast(kind: str) -> None:
    net = small_net(kind)
    channels = SMALL[kind][1].get("in_channels", 3)
    assert forecast_forward(logits_of, net, (1, channels, 64, 64)) > 64 * 64 * 4
