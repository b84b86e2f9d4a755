"""Measure an in-context model on folders of tasks, beside the baselines that it must beat."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medseg_training.in_context.baselines import FittedUNet, mean_mask, nearest_mask
from medseg_training.in_context.episodes import Segmenter, Trial, mean_dice, one_pass
from medseg_training.in_context.pixel_baseline import best_cut
from medseg_training.in_context.report import NAMES, Report
from medseg_training.in_context.tasks import ImageTask

PLAIN = {"refine": False, "colour": "grey"}
"""The app without its second look and colours: one pass, to which single parts are added."""


def measure(
    methods: Mapping[str, Segmenter],
    tasks: Sequence[ImageTask],
    report: Report,
    *,
    support: Sequence[int] | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = print,
) -> Report:
    """Fill `report` with the Dice of every method on every task, telling each figure.

    What `report` holds already is not measured again; with `support`, only these numbers of
    examples are.
    """
    for task in tasks:
        for name, method in methods.items():
            row = report.dice.setdefault(name, {}).setdefault(task.name, {})
            missing = [n for n in support or report.support if str(n) not in row]
            for n in missing:
                limits = {"queries": report.queries, "draws": report.draws, "seed": seed}
                dice = mean_dice(task, method, n, classes=report.classes, **limits)
                row[str(n)] = round(dice, 4)
            if missing:
                tell(json.dumps({"task": task.name, "method": name, "dice": row}))
    return report


def app_engine(model: Path, **options: Any) -> Segmenter:
    """Segment as the app does: the engine's scaling, colours, and second look."""
    from napari_medseg.engine.by_example.job import segment_by_example
    from napari_medseg.engine.by_example.support import SupportSet
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


def bare_net(model: Path, size: int) -> Segmenter:
    """One pass of a model of the zoo over the whole grey image."""
    from napari_medseg.zoo.cards import ModelCard
    from napari_medseg.zoo.weights import load_net

    return one_pass(load_net(ModelCard.from_folder(model)), size)


def method_named(
    name: str, model: Path, size: int, unet_seconds: float, adapt_effort: int = 1
) -> tuple[str, Segmenter]:
    """Give one of `NAMES` with its full name."""
    methods: dict[str, Callable[[], Segmenter]] = {
        "net": lambda: bare_net(model, size),
        "app": lambda: app_engine(model),
        "refined": lambda: app_engine(model, **PLAIN | {"refine": True}),
        "subsets": lambda: app_engine(model, **PLAIN, ensemble=4),
        "mirrored": lambda: app_engine(model, **PLAIN, flips=True),
        "adapt": lambda: app_engine(model, adapt=True, adapt_effort=adapt_effort),
        "mean": lambda: mean_mask,
        "nearest": lambda: nearest_mask,
        "cut": lambda: best_cut,
        "unet": lambda: FittedUNet(unet_seconds),
    }
    full = NAMES[name].format(seconds=unet_seconds)
    longer = f", {adapt_effort} times as long" if name == "adapt" and adapt_effort > 1 else ""
    return full + longer, methods[name]()


def _plane(image: np.ndarray) -> np.ndarray:
    return image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
