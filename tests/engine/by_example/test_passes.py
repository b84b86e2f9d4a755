from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from napari_medseg.engine.by_example import passes
from napari_medseg.engine.by_example.passes import Averaging, Predictor, Question, View
from napari_medseg.engine.devices import choose_device, choose_precision
from napari_medseg.engine.memory import (
    available_memory,
    fits,
    forecast_pass,
    queries_per_pass,
)


class SupportMean(nn.Module):
    """Answers with the mean brightness of the examples, and remembers the sizes it was asked in."""

    def __init__(self, fail_above: int = 99, failures: int = 99) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []
        self.fail_above, self.failures = fail_above, failures

    def forward(self, target: Tensor, images: Tensor, labels: Tensor) -> Tensor:
        if len(target) > self.fail_above and self.failures:
            self.failures -= 1
            raise torch.OutOfMemoryError("out of memory")
        self.asked.append((len(target), images.shape[1]))
        return images.mean(1) * torch.ones_like(target)


def questions(n: int, n_support: int = 2) -> list[Question]:
    views = [
        View(
            np.full((n_support, 8, 8), float(value), np.float32),
            np.ones((n_support, 8, 8), np.float32),
        )
        for value in range(n)
    ]
    return [Question(np.zeros((8, 8), np.float32), view) for view in views]


def answers(predictor: Predictor, asked: list[Question], averaging: Averaging) -> list[np.ndarray]:
    job = predictor.answer(asked, averaging)
    while True:
        try:
            next(job)
        except StopIteration as stop:
            return stop.value


def test_answers_keep_the_order_of_the_questions() -> None:
    predictor = Predictor(SupportMean(), torch.device("cpu"), torch.float32)
    mixed = [*questions(3, 2), *questions(5, 1)]
    found = [answer[0, 0] for answer in answers(predictor, mixed, Averaging())]
    expected = 1 / (1 + np.exp(-np.array([0, 1, 2, 0, 1, 2, 3, 4.0])))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_large_sets_are_split_and_every_example_is_heard_once() -> None:
    groups = Averaging().groups(150)
    assert [len(group) for group in groups] == [50, 50, 50]
    assert sorted(np.concatenate(groups)) == list(range(150))


def test_an_ensemble_draws_the_same_subsets_every_time() -> None:
    draws = [Averaging(ensemble=4, seed=3).groups(9) for _ in range(2)]
    assert len(draws[0]) == 4
    assert all(len(set(group)) == 7 for group in draws[0])
    for first, second in zip(*draws, strict=True):
        np.testing.assert_array_equal(first, second)


def test_without_memory_less_is_asked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "queries_per_pass", lambda *_: 8)
    net = SupportMean(fail_above=2)
    predictor = Predictor(net, torch.device("cpu"), torch.float32)
    monkeypatch.setattr(predictor, "device", FakeGpu())
    monkeypatch.setattr(Predictor, "_tensor", lambda _, planes: torch.from_numpy(planes)[:, None])
    found = answers(predictor, questions(5), Averaging())
    assert len(found) == 5
    assert max(size for size, _ in net.asked) == 2


class FakeGpu:
    """Says it is a GPU; the tensors stay where they are."""

    type = "cuda"


def test_a_gpu_without_any_memory_hands_over_to_the_cpu_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    predictor = Predictor(SupportMean(0, failures=1), torch.device("cpu"), torch.float32)
    monkeypatch.setattr(passes, "queries_per_pass", lambda *_: 1)
    monkeypatch.setattr(predictor, "device", FakeGpu())
    monkeypatch.setattr(Predictor, "_tensor", lambda _, planes: torch.from_numpy(planes)[:, None])
    assert len(answers(predictor, questions(2), Averaging())) == 2
    assert predictor.device == torch.device("cpu")
    assert "going on with the CPU" in predictor.notice


def test_a_cpu_without_memory_is_told() -> None:
    predictor = Predictor(SupportMean(fail_above=0), torch.device("cpu"), torch.float32)
    with pytest.raises(MemoryError, match="not enough memory"):
        answers(predictor, questions(1), Averaging())


def test_the_cpu_says_it_in_other_words_than_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    net = SupportMean()
    monkeypatch.setattr(net, "forward", lambda *_: torch.empty(2**48))
    predictor = Predictor(net, torch.device("cpu"), torch.float32)
    with pytest.raises(MemoryError, match="close other programs or use fewer"):
        answers(predictor, questions(1), Averaging())


def test_a_fault_of_the_net_is_not_taken_for_a_lack_of_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Tensor) -> Tensor:
        raise RuntimeError("a fault of the net")

    net = SupportMean()
    monkeypatch.setattr(net, "forward", broken)
    predictor = Predictor(net, torch.device("cpu"), torch.float32)
    with pytest.raises(RuntimeError, match="a fault of the net"):
        answers(predictor, questions(1), Averaging())


def test_the_forecast_grows_with_the_support() -> None:
    assert forecast_pass(64) > forecast_pass(16) > forecast_pass(1)
    assert queries_per_pass(16, torch.device("cpu")) == 1


def test_what_is_larger_than_the_memory_does_not_fit() -> None:
    free = available_memory(torch.device("cpu"))
    assert free > 0
    assert fits(1000)
    assert not fits(100 * free)


def test_devices_and_precision_by_name() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda", "mps")
    assert choose_precision("float32", torch.device("cpu")) == torch.float32
    assert choose_precision("bfloat16", torch.device("cpu")) == torch.bfloat16


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "cuda:99"])
def test_a_device_that_is_not_there_is_told(name: str) -> None:
    with pytest.raises(ValueError, match="device"):
        choose_device(name)
