"""`evaluate`: how good a model is on a data set, measured as the app segments."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from napari_medseg.engine.results import Progress, counted
from napari_medseg.io.atomic import atomic_write

if TYPE_CHECKING:
    from medseg_training.evaluation.scoring import Evaluation, EvaluationOptions
    from medseg_training.evaluation.statistics import Summary

Result = TypeVar("Result")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be said on the command line."""
    parser.add_argument("model", help="a model of the zoo, or a model or run folder")
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--results", type=Path, help="write the figures here (JSON), for the card: export --results"
    )


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare what two commands have in common: which cases, and how they are measured."""
    parser.add_argument("data", type=Path, help="the folder of the data set")
    parser.add_argument("--kind", default="auto", help="convention of the folder; auto looks at it")
    parser.add_argument(
        "--split", choices=("test", "val", "all"), default="test", help="which cases"
    )
    parser.add_argument("--fold", type=int, help="of --split val; default 0")
    parser.add_argument("--splits", type=Path, help="a splits_final.json, such as a run's")
    parser.add_argument("--classes", nargs="+", default=[], help="classes of the data to compare")
    parser.add_argument("--merge", action="store_true", help="compare all classes as one")
    parser.add_argument(
        "--official",
        action="store_true",
        help="empty masks as in SelfReg-UNet's published evaluation; distances in pixels",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--flips", action="store_true", help="average over mirror images")
    parser.add_argument("--out", type=Path, help="folder for the table and the report")


def run(options: argparse.Namespace) -> None:
    """Measure, write the table and the report, and print the figures.

    Raises
    ------
    ValueError
        When the model and the data do not fit together.
    EvaluationError
        When cases could not be measured, after the figures of the others are written.
    SaveError
        When the results could not be written.
    """
    from medseg_training.data.dataset import read_dataset
    from medseg_training.evaluation.choice import EvaluationError, choose_cases, find_model
    from medseg_training.evaluation.report import results_for_card, write_evaluation
    from medseg_training.evaluation.scoring import evaluate_job

    card = find_model(options.model, "pretrained")
    dataset = read_dataset(options.data, options.kind)
    chosen = choose_cases(dataset, options.split, options.fold, options.splits)
    evaluation = followed(evaluate_job(card, dataset, chosen, options_of(options)))
    _print(evaluation, as_json=options.json)
    if options.results:
        text = json.dumps(results_for_card(evaluation), indent=2, ensure_ascii=False) + "\n"
        atomic_write(options.results, lambda file: file.write_text(text, encoding="utf-8"))
    for name, reason in evaluation.failures:
        print(f"not measured: {name}: {reason}", file=sys.stderr)
    if options.out:
        for path in write_evaluation(options.out, evaluation):
            print(f"wrote {path}", file=sys.stderr)
    if evaluation.incomplete:
        raise EvaluationError(evaluation.incomplete)


def as_json_values(summary: Summary) -> dict[str, float | None]:
    """Give a summary as values JSON can hold; what is not defined is null."""
    return {key: None if value != value else value for key, value in vars(summary).items()}


def _print(evaluation: Evaluation, *, as_json: bool) -> None:
    from medseg_training.evaluation.report import summaries

    card, chosen = evaluation.card, evaluation.chosen
    found = summaries(evaluation)
    if as_json:
        content = {
            measure: {name: as_json_values(summary) for name, summary in by_class.items()}
            for measure, by_class in found.items()
        }
        about = {"model": card.name, "cases": chosen.title, "caution": chosen.caution}
        print(json.dumps({**about, **content}, indent=2))
    else:
        print(f"{card.title} on {chosen.title} of {evaluation.dataset}")
        if chosen.caution:
            print(f"  ⚠ {chosen.caution}")
        for name in found["dice"]:
            dice, hd95 = found["dice"][name], found["hd95"][name]
            spread = "" if dice.n < 2 else f" ± {dice.sd:.4f}"
            interval = "" if dice.low != dice.low else f" (95 % {dice.low:.4f} to {dice.high:.4f})"
            distance = "–" if hd95.mean != hd95.mean else f"{hd95.mean:.2f}"
            print(
                f"  {name:24s} Dice {dice.mean:.4f}{spread}{interval}  HD95 {distance}  "
                f"{counted(dice.n, 'case')}{_left_out(dice, hd95)}"
            )


def _left_out(dice: Summary, hd95: Summary) -> str:
    """Say in how many cases there is no such figure, as reference or prediction is empty."""
    missing = {"Dice": dice.undefined, "HD95": hd95.undefined}
    said = [f"no {title} in {number}" for title, number in missing.items() if number]
    return f" ({', '.join(said)})" if said else ""


def options_of(options: argparse.Namespace) -> EvaluationOptions:
    """Give how to measure."""
    from medseg_training.evaluation.scoring import EvaluationOptions

    return EvaluationOptions(
        device=options.device,
        flips=options.flips,
        classes=tuple(options.classes),
        merge=options.merge,
        official=options.official,
    )


def followed(job: Generator[Progress, None, Result]) -> Result:
    """Run a job to its end, with a line about where it is on a terminal."""
    shows = sys.stderr.isatty()
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            if shows:
                print(file=sys.stderr)
            result: Result = end.value
            return result
        if shows:
            said = f"{step.done}/{step.total} {step.message}"
            print(f"\r{said[:78]:78s}", end="", file=sys.stderr, flush=True)
