"""From a step's number to its batch: everything drawn from (seed, step) and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from medseg_training.in_context import augment, colour, phantoms, synthetic, views
from medseg_training.in_context.recipe import Recipe
from medseg_training.in_context.tasks import ImageTask


@dataclass(frozen=True)
class TaskBatch:
    """Queries with their own support sets; values in [0, 1], masks 0 or 1, all float32.

    Attributes
    ----------
    query, target
        (B, 1, H, W).
    support_images, support_masks
        (B, S, 1, H, W).
    """

    query: Tensor
    target: Tensor
    support_images: Tensor
    support_masks: Tensor

    def to(self, device: torch.device) -> TaskBatch:
        """Give the batch on another device."""
        return TaskBatch(*(t.to(device) for t in vars(self).values()))


class Sampler:
    """Draws batches of tasks from real, synthetic and phantom sources.

    Parameters
    ----------
    tasks
        Real tasks in memory; drawn uniformly, tasks with several classes somewhat more often.
    recipe
        The values of the training.
    """

    def __init__(self, tasks: Sequence[ImageTask], recipe: Recipe) -> None:
        self.tasks = list(tasks)
        self.recipe = recipe
        weights = np.array([1 + 0.5 * np.log(len(task.classes)) for task in self.tasks])
        self._task_weights = weights / weights.sum() if len(weights) else weights

    def batch(self, step: int, part: int = 0) -> TaskBatch:
        """Draw one part of the batch of `step`."""
        rng = np.random.default_rng([self.recipe.seed, step, part])
        stage = self.recipe.stage_at(step)
        shares = np.array(self.recipe.support.weights)
        support = int(rng.choice(self.recipe.support.sizes, p=shares / shares.sum()))
        queries = max(1, round(stage.cost / (3.3 + support)))
        drawn = [self._task(rng, support + 1, stage.size) for _ in range(queries)]
        images = torch.stack([image for image, _ in drawn])
        masks = torch.stack([mask for _, mask in drawn])
        images = self._appearance(rng, images)
        masks = self._asked(rng, masks)
        return TaskBatch(images[:, 0], masks[:, 0], images[:, 1:], masks[:, 1:])

    def _task(self, rng: np.random.Generator, n: int, size: int) -> tuple[Tensor, Tensor]:
        """Images (n, 1, s, s) and masks (n, 1, s, s) of one task, the query first."""
        data = self.recipe.data
        shares = np.array([data.real if self.tasks else 0.0, data.synthetic, data.phantoms])
        source = int(rng.choice(3, p=shares / shares.sum()))
        if source == 0:
            return self._real(rng, n, size)
        draw = synthetic.draw if source == 1 else phantoms.draw
        turns, mirrored = int(rng.integers(4)), rng.random() < 0.5
        planes = torch.stack(draw(rng, n, size)).rot90(turns, (-2, -1))
        images, masks = planes.flip(-1) if mirrored else planes
        return augment.rescale(images[:, None]), masks[:, None]

    def _real(self, rng: np.random.Generator, n: int, size: int) -> tuple[Tensor, Tensor]:
        task = self.tasks[int(rng.choice(len(self.tasks), p=self._task_weights))]
        wanted = np.zeros(256, bool)
        wanted[list(self._classes(rng, task))] = True
        members = self._members(rng, task, wanted, n)
        sources = [wanted[task.pairs[m].labels] for m in members]
        recipe = self.recipe
        boxes = self._boxes(rng, sources)
        grids = views.grids(rng, n, size, recipe.task_warp, recipe.subject_warp)
        padding = "zeros" if rng.random() < 0.5 else "reflection"
        rough = rng.random() < recipe.changes.rough
        images, masks = [], []
        for i, member in enumerate(members):
            mask_grid = None
            if rough and i:
                mask_grid = grids[i] + _wobble(rng, size)
            pair = task.pairs[member]
            image, mask = views.sample(pair, sources[i], boxes[i], grids[i], mask_grid, padding)
            images.append(image)
            masks.append(mask)
        stacked, found = torch.stack(images), torch.stack(masks)
        if not found[1:].any():
            return self._real(rng, n, size)
        if stacked.shape[1] == 3:
            stacked = colour.to_grey(rng, stacked, found)
        elif rng.random() < recipe.views.own_range:
            stacked = augment.rescale(stacked)
        return stacked, found[:, None]

    def _classes(self, rng: np.random.Generator, task: ImageTask) -> Sequence[int]:
        changes, classes = self.recipe.changes, task.classes
        draw = rng.random()
        if len(classes) > 1 and draw < changes.all_classes:
            return classes
        if len(classes) > 2 and draw < changes.all_classes + changes.union:
            count = int(rng.integers(2, len(classes)))
            return [int(c) for c in rng.choice(classes, count, replace=False)]
        return [int(rng.choice(classes))]

    def _members(
        self, rng: np.random.Generator, task: ImageTask, wanted: np.ndarray, n: int
    ) -> list[int]:
        """Positions of the query and of the examples; the query is never among the examples."""
        holders = sorted({p for c in np.flatnonzero(wanted) for p in task.holders[int(c)]})
        others = sorted(set(range(len(task.pairs))) - set(holders))
        absent = self.recipe.views.absent
        query = int(rng.choice(others if others and rng.random() < absent else holders))
        pool = [p for p in holders if p != query]
        support = rng.choice(pool, n - 1, replace=n - 1 > len(pool))
        if n > 2 and others and rng.random() < absent:
            spare = [p for p in others if p != query]
            if spare:
                support[0] = rng.choice(spare)
        return [query, *(int(p) for p in support)]

    def _boxes(self, rng: np.random.Generator, sources: list[np.ndarray]) -> list[views.Box]:
        law = self.recipe.views
        shares = np.array([law.whole, law.crop, law.window])
        kind = int(rng.choice(3, p=shares / shares.sum()))
        if kind == 0:
            return [views.WHOLE] * len(sources)
        if kind == 1:
            margin, square = float(rng.uniform(0.1, 0.8)), bool(rng.random() < 0.5)
            return [
                views.foreground_box(rng, s, margin * rng.uniform(0.8, 1.3), square, 0.15)
                for s in sources
            ]
        fraction = float(rng.uniform(0.35, 0.8))
        return [views.random_box(rng, s, fraction) for s in sources]

    def _appearance(self, rng: np.random.Generator, images: Tensor) -> Tensor:
        tasks, n = images.shape[:2]
        flat = images.flatten(0, 1)
        flat = augment.appearance(rng, flat, len(flat), self.recipe.subject_appearance)
        flat = augment.appearance(rng, flat, tasks, self.recipe.task_appearance)
        invert = rng.random(tasks) < self.recipe.changes.invert_image
        sign = torch.from_numpy(invert.repeat(n)).view(-1, 1, 1, 1)
        return torch.where(sign, 1 - flat, flat).unflatten(0, (tasks, n))

    def _asked(self, rng: np.random.Generator, masks: Tensor) -> Tensor:
        """Change per task what is asked for: the outline, a grown mask, the background."""
        changes = self.recipe.changes
        changed = []
        for task in masks:
            draw, pixels = rng.random(3), int(rng.choice([-1, 1, 2]))
            if draw[0] < changes.grow:
                grown = augment.grow(task, pixels)
                task = grown if grown[1:].any() else task
            if draw[1] < changes.edge:
                task = augment.edges(task)
            changed.append(1 - task if draw[2] < changes.invert_mask else task)
        return torch.stack(changed)


def _wobble(rng: np.random.Generator, size: int) -> Tensor:
    """Draw a displacement of one or two pixels, as of a hurried brush: (size, size, 2)."""
    nodes = int(rng.integers(6, 13))
    noise = torch.from_numpy(rng.standard_normal((1, 2, nodes, nodes), dtype=np.float32))
    smooth = torch.nn.functional.interpolate(noise, size=(size, size), mode="bicubic")[0]
    return smooth.permute(1, 2, 0) * float(rng.uniform(0.5, 1.5) * 2 / size)
