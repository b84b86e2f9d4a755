"""Measure an in-context model on folders of tasks, beside the baselines that it must beat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medseg_training.in_context.baselines import FittedUNet, mean_mask, nearest_mask
from medseg_training.in_context.episodes import Method, Trial, mean_dice, one_pass
from medseg_training.in_context.tasks import ImageTask

PROTOCOL = (
    "Mean Dice over tasks that were never trained or tuned on. Each class of a task is asked for "
    "by itself; a task counts with the mean of its classes. {draws} draws of examples per class, "
    "up to {queries} queries each, the same for every method; fewer examples where a class occurs "
    "in too few images. Scored at the size of the image file (longer side at most 256)."
)


@dataclass
class Report:
    """Dice by method, task and number of examples.

    Attributes
    ----------
    dice
        ``dice[method][task][support]``.
    """

    support: tuple[int, ...]
    queries: int
    draws: int
    dice: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    def mean(self) -> dict[str, dict[str, float]]:
        """Mean over the tasks that each method was measured on."""
        return {
            method: {
                str(n): round(float(np.mean([row[str(n)] for row in tasks.values()])), 4)
                for n in self.support
            }
            for method, tasks in self.dice.items()
            if tasks
        }

    def as_results(self) -> dict[str, Any]:
        """Give what goes into a model card."""
        return {
            "protocol": PROTOCOL.format(draws=self.draws, queries=self.queries),
            "support": list(self.support),
            "tasks_measured": {method: len(tasks) for method, tasks in self.dice.items()},
            "mean": self.mean(),
            "per_task": self.dice,
        }

    def markdown(self) -> str:
        """Give the tables that a person reads: the means, then every task."""
        columns = [f"{n} example{'s' if n > 1 else ''}" for n in self.support]
        lines = [PROTOCOL.format(draws=self.draws, queries=self.queries), ""]
        lines += [
            "| method | tasks | " + " | ".join(columns) + " |",
            "|---" * (len(columns) + 2) + "|",
        ]
        for method, values in self.mean().items():
            cells = " | ".join(f"{values[str(n)]:.3f}" for n in self.support)
            lines.append(f"| {method} | {len(self.dice[method])} | {cells} |")
        methods = list(self.dice)
        lines += ["", f"Per task, for {' / '.join(map(str, self.support))} examples:", ""]
        lines += ["| task | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
        for task in sorted({name for tasks in self.dice.values() for name in tasks}):
            cells = " | ".join(self._cell(method, task) for method in methods)
            lines.append(f"| {task} | {cells} |")
        return "\n".join(lines) + "\n"

    def _cell(self, method: str, task: str) -> str:
        row = self.dice[method].get(task)
        return "" if row is None else " / ".join(f"{row[str(n)]:.2f}" for n in self.support)


def evaluate(
    methods: Mapping[str, Method],
    tasks: Sequence[ImageTask],
    report: Report,
    *,
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> Report:
    """Fill `report` with the Dice of every method on every task, telling each figure."""
    for task in tasks:
        for name, method in methods.items():
            row = {
                str(n): round(
                    mean_dice(
                        task, method, n, queries=report.queries, draws=report.draws, seed=seed
                    ),
                    4,
                )
                for n in report.support
            }
            report.dice.setdefault(name, {})[task.name] = row
            tell(json.dumps({"task": task.name, "method": name, "dice": row}))
    return report


def app_engine(model: Path, **options: Any) -> Method:
    """Segment as the app does: the engine's scaling, colours, and second look."""
    from napari_medseg.engine.by_example import segment_by_example
    from napari_medseg.engine.support import SupportSet
    from napari_medseg.zoo.cards import ModelCard

    card = ModelCard.from_folder(model)

    def segment(trial: Trial) -> list[np.ndarray]:
        support = SupportSet()
        for pair in trial.support:
            support.add(_plane(pair.pyramid[0].numpy()), trial.mask(pair).astype(np.uint8))
        return [
            segment_by_example(
                _plane(query.pyramid[0].numpy()), support, model=card, **options
            ).labels
            == 1
            for query in trial.queries
        ]

    return segment


def bare_net(model: Path, size: int) -> Method:
    """One pass of a model of the zoo over the whole grey image."""
    from napari_medseg.zoo.cards import ModelCard
    from napari_medseg.zoo.weights import load_net

    return one_pass(load_net(ModelCard.from_folder(model)), size)


def baselines(unet_seconds: float = 0.0) -> dict[str, Method]:
    """Give the baselines by name; the U-Net only where it is given time."""
    methods: dict[str, Method] = {
        "mean of the examples' masks": mean_mask,
        "mask of the nearest example": nearest_mask,
    }
    if unet_seconds > 0:
        methods[f"small U-Net fitted for {unet_seconds:g} s"] = FittedUNet(unet_seconds)
    return methods


def _plane(image: np.ndarray) -> np.ndarray:
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
