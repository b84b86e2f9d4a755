"""Batches follow from (seed, step) alone, and never show a query its own answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from medseg_training.in_context.recipe import Recipe
from medseg_training.in_context.sampler import Sampler
from medseg_training.in_context.tasks import read_tasks

RecipeFactory = Callable[..., Recipe]


@pytest.fixture
def sampler(task_root: Path, small_recipe: RecipeFactory) -> Sampler:
    return Sampler(read_tasks(task_root), small_recipe())


def test_equal_steps_give_equal_batches(task_root: Path, small_recipe: RecipeFactory) -> None:
    first, second = (Sampler(read_tasks(task_root), small_recipe()) for _ in range(2))
    for step in (0, 7):
        for name, tensor in vars(first.batch(step)).items():
            assert torch.equal(tensor, getattr(second.batch(step), name))


def test_steps_parts_and_seeds_differ(task_root: Path, small_recipe: RecipeFactory) -> None:
    tasks = read_tasks(task_root)
    sampler, other = Sampler(tasks, small_recipe()), Sampler(tasks, small_recipe(seed=99))
    batches = [sampler.batch(0), sampler.batch(1), sampler.batch(0, part=1), other.batch(0)]
    sums = {round(float(batch.query.sum()), 4) for batch in batches}
    assert len(sums) == 4


def test_shapes_ranges_and_binary_masks(sampler: Sampler) -> None:
    for step in range(12):
        batch = sampler.batch(step)
        queries, support = batch.support_images.shape[:2]
        assert batch.query.shape == batch.target.shape == (queries, 1, 32, 32)
        assert batch.support_masks.shape == (queries, support, 1, 32, 32)
        for image in (batch.query, batch.support_images):
            assert image.dtype == torch.float32
            assert float(image.min()) >= 0 and float(image.max()) <= 1
        for mask in (batch.target, batch.support_masks):
            assert set(mask.unique().tolist()) <= {0.0, 1.0}


def test_every_support_set_shows_something(sampler: Sampler) -> None:
    for step in range(12):
        masks = sampler.batch(step).support_masks
        assert bool((masks.flatten(1).sum(1) > 0).all())


def test_the_query_is_never_among_its_examples(sampler: Sampler) -> None:
    rng = np.random.default_rng(0)
    wanted = np.zeros(256, bool)
    wanted[1] = True
    for task in sampler.tasks:
        for n in (2, 4, 12):
            for _ in range(20):
                query, *support = sampler._members(rng, task, wanted, n)
                assert query not in support
                assert len(support) == n - 1


def test_without_folders_only_synthetic_tasks_are_drawn(small_recipe: RecipeFactory) -> None:
    batch = Sampler([], small_recipe()).batch(0)
    assert torch.isfinite(batch.query).all()
