"""Results of measuring in-context models add up over calls, and what colours alone can tell."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from medseg_training.in_context.episodes import Trial
from medseg_training.in_context.measure import measure, method_named
from medseg_training.in_context.pixel_baseline import best_cut
from medseg_training.in_context.report import NAMES, OF_NET, Report, ReportError
from medseg_training.in_context.tasks import ImageTask, Pair
from napari_medseg.engine.by_example import job as by_example_job
from napari_medseg.engine.by_example.held_out import dice
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.registry import bundled_folder


class Result(NamedTuple):
    """What a segmentation gives."""

    labels: np.ndarray


def pair(seed: int, colours: bool = False) -> Pair:
    """Grey: class 1 is the darkest of three. Colours: it is the middle one by brightness."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((32, 48), np.uint8)
    row, column = rng.integers(4, 16, 2)
    labels[row : row + 12, column : column + 14] = 1
    image = np.full((32, 48), 0.9, np.float32)
    image[:, 40:] = 0.1 if colours else 0.6
    image[labels == 1] = 0.5 if colours else 0.3
    channels = np.repeat(image[None], 3 if colours else 1, axis=0)
    plane = torch.from_numpy(channels + rng.normal(0, 0.02, channels.shape).astype(np.float32))
    return Pair(str(seed), (plane.clamp(0, 1),), labels)


def test_the_best_of_threshold_and_clusters_is_chosen_on_the_examples() -> None:
    for colours in (False, True):
        trial = Trial(1, (pair(0, colours), pair(1, colours)), (pair(2, colours), pair(3, colours)))
        found = best_cut(trial)
        for mask, query in zip(found, trial.queries, strict=True):
            assert mask.shape == query.labels.shape
            assert dice(mask, trial.mask(query)) > 0.8


def test_results_of_single_tasks_and_sizes_add_up(tmp_path: Path) -> None:
    tasks = [
        ImageTask(name, tuple(pair(seed) for seed in range(6)), {1: tuple(range(6))})
        for name in ("one", "two")
    ]
    asked: list[int] = []

    def everything(trial: Trial) -> list[np.ndarray]:
        asked.append(len(trial.support))
        return [np.ones(query.labels.shape, bool) for query in trial.queries]

    def measured(task: ImageTask, support: tuple[int, ...]) -> Report:
        report = Report(support, queries=2, draws=1)
        if file.exists():
            report.add_from(file)
        measure({"all": everything}, [task], report, support=support, tell=lambda _: None)
        file.write_text(json.dumps(report.as_results()))
        return report

    file = tmp_path / "results.json"
    measured(tasks[0], (1, 4))
    measured(tasks[1], (1,))
    report = measured(tasks[0], (2,))
    assert asked == [1, 4, 1, 2]
    assert report.support == (1, 2, 4)
    assert report.shared_tasks == ["one"]
    assert set(report.mean()["all"]) == {"1", "2", "4"}
    assert "–" in report.markdown()
    measured(tasks[0], (1, 4))
    assert asked == [1, 4, 1, 2], "what is known is not measured again"


def test_figures_of_other_weights_are_neither_mixed_nor_lost(tmp_path: Path) -> None:
    def kept(keys: Iterable[str]) -> Path:
        known = {NAMES[key]: {"task": {"1": 0.5}} for key in keys}
        old = Report((1,), 2, 1, "old", dice=known).as_results()
        (tmp_path / "results.json").write_text(json.dumps(old))
        return tmp_path / "results.json"

    report = Report((1,), 2, 1, "new")
    for key in OF_NET:
        with pytest.raises(ReportError, match="figures of other weights"):
            report.add_from(kept([key, "mean"]))
    others = {key for key in NAMES if key not in OF_NET}
    report.add_from(kept(others))
    assert set(report.dice) == {NAMES[key] for key in others}


@pytest.mark.parametrize("content", ["{}", "[]", "no JSON", '{"protocol": 1, "per_task": {}}'])
def test_what_are_no_results_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(ReportError, match="is no results file"):
        Report((1,), 2, 1).add_from(tmp_path / "results.json")


def test_tasks_that_the_model_knows_are_named(tmp_path: Path) -> None:
    dice = {"all": {"one": {"1": 0.5}, "two": {"1": 0.5}}}
    assert "never trained or tuned on" in Report((1,), 2, 1, dice=dice).protocol
    report = Report((1,), 2, 1, dice=dice, seen=("two", "three"))
    assert "was trained or tuned on two: figures" in report.protocol
    assert "never trained" not in report.markdown()
    (tmp_path / "results.json").write_text(json.dumps(report.as_results()))
    Report((1,), 2, 1).add_from(tmp_path / "results.json")


def test_figures_of_another_size_are_not_added_to(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(Report((1,), 2, 1, size=64).as_results()))
    Report((1,), 2, 1, size=64).add_from(file)
    with pytest.raises(ReportError, match="another size"):
        Report((1,), 2, 1).add_from(file)


def test_what_a_part_of_the_app_brings_can_be_measured_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial, asked = Trial(1, (pair(0), pair(1)), (pair(2),)), []

    def segment(plane: np.ndarray, support: SupportSet, model: ModelCard, **said: Any) -> Result:
        asked.append(ByExampleOptions(model=model, **said))
        return Result(np.ones(plane.shape[:2], np.uint8))

    monkeypatch.setattr(by_example_job, "segment_by_example", segment)
    for name in ("refined", "subsets", "mirrored"):
        _, method = method_named(name, bundled_folder() / "universeg-open", 64, 1.0)
        assert method(trial)[0].all()
    assert {(options.colour, options.adapt) for options in asked} == {("grey", "kept")}
    assert [options.refine for options in asked] == [True, False, False]
    assert [options.ensemble for options in asked] == [1, 4, 1]
    assert [options.flips for options in asked] == [False, False, True]
