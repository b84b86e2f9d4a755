"""Trials are fixed and fair, and the baselines do what their names say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from medseg_training.in_context.baselines import FittedUNet, mean_mask, nearest_mask
from medseg_training.in_context.episodes import Trial, mean_dice, trials
from medseg_training.in_context.tasks import ImageTask, Pair, read_task
from napari_medseg.engine.by_example.held_out import dice


@pytest.fixture
def task(task_root: Path) -> ImageTask:
    return read_task(task_root / "grey_one")


def test_queries_are_never_examples_and_equal_for_every_size(task: ImageTask) -> None:
    for one, many in zip(trials(task, 1, draws=3), trials(task, 16, draws=3), strict=True):
        assert [q.name for q in one.queries] == [q.name for q in many.queries]
        for trial in (one, many):
            assert not {p.name for p in trial.support} & {q.name for q in trial.queries}
    assert len(next(iter(trials(task, 16))).support) == 5


def test_dice_of_a_perfect_and_an_empty_answer(task: ImageTask) -> None:
    assert mean_dice(task, lambda trial: [trial.mask(q) for q in trial.queries], 2) == 1.0
    assert mean_dice(task, lambda trial: [trial.mask(q) & False for q in trial.queries], 2) == 0.0
    assert dice(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 1.0


def pair(seed: int, labels: np.ndarray) -> Pair:
    image = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(seed))
    return Pair(str(seed), (image,), labels)


def test_the_nearest_example_is_found() -> None:
    left, right = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
    left[:, :20], right[:, 20:] = 1, 1
    trial = Trial(1, (pair(1, left), pair(2, right)), (pair(2, right),))
    assert dice(nearest_mask(trial)[0], right == 1) > 0.98


def test_the_mean_mask_is_what_examples_share() -> None:
    common = np.zeros((40, 40), np.uint8)
    common[10:30, 10:30] = 1
    trial = Trial(1, tuple(pair(i, common) for i in range(3)), (pair(9, common),))
    assert dice(mean_mask(trial)[0], common == 1) > 0.95


def test_the_fitted_unet_answers_at_the_size_of_the_query(task: ImageTask) -> None:
    trial = next(iter(trials(task, 2)))
    answers = FittedUNet(seconds=0.05, width=4)(trial)
    assert [a.shape for a in answers] == [(48, 40)] * len(trial.queries)
    assert all(a.dtype == bool for a in answers)
