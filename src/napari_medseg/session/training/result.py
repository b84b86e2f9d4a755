"""What comes out of a training: a model of the zoo, and a page that says how good it is."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_medseg.engine.results import Progress
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.registry import user_folder


@dataclass(frozen=True)
class TrainingReport:
    """How good a trained model is on its validation cases.

    Parameters
    ----------
    sentence : str
        In one sentence.
    page : Path
        The report, to be opened in a browser.
    """

    sentence: str
    page: Path


def add_job(run: Path) -> Generator[Progress, None, ModelCard]:
    """Make the best weights of a run a model of the zoo; returns its card.

    Raises
    ------
    OSError, RuntimeError
        With one sentence, where the run holds no weights that can be used, or another model has
        its name.
    """
    from medseg_training.export import export_run
    from napari_medseg.zoo.checkpoints import plain_name

    yield Progress(0, 1, "Writing the model")
    card = export_run(run, user_folder() / plain_name(run.name))
    yield Progress(1, 1, "Written")
    return card


def report_job(run: Path) -> Generator[Progress, None, TrainingReport]:
    """Measure a run's best weights on its validation cases, as the app segments.

    A model that went on from another is measured beside it, on the same cases.

    Raises
    ------
    ValueError, OSError
        With one sentence, where it cannot be measured.
    """
    from medseg_training.data.dataset import read_dataset
    from medseg_training.evaluation.choice import choose_cases, find_model
    from medseg_training.evaluation.comparison import compare_job, write_comparison
    from medseg_training.evaluation.report import summaries, write_evaluation
    from medseg_training.evaluation.scoring import evaluate_job

    yield Progress(0, 1, "Reading the run")
    if _kind(run) == "in-context":
        raise ValueError(
            "A net that segments by example is measured on tasks that it has not seen: "
            "napari-medseg train evaluate-in-context MODEL TASKS."
        )
    values = _config(run)
    data, start = values["data"], values.get("start", {}).get("model", "")
    dataset = read_dataset(data["root"], data["kind"])
    chosen = choose_cases(dataset, "val", splits=run / "splits_final.json")
    trained = find_model(str(run))
    if start:
        comparison = yield from compare_job(find_model(start), trained, dataset, chosen)
        page = write_comparison(run / "evaluation", comparison)[1]
        return TrainingReport(comparison.verdict(), page)
    evaluation = yield from evaluate_job(trained, dataset, chosen)
    page = write_evaluation(run / "evaluation", evaluation)[1]
    mean = list(summaries(evaluation)["dice"].values())[-1]
    return TrainingReport(f"Mean Dice {mean.mean:.3f} on {mean.n} validation cases.", page)


def _config(run: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((run / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{run.name} holds no checked values (config.json).") from error
    return found


def _kind(run: Path) -> str:
    return str(_config(run).get("kind", "segmentation"))
