"""`compare-models`: which of two models is better on the same cases, and how sure that is."""

from __future__ import annotations

import argparse
import sys

from medseg_training.commands.evaluate import add_data, followed, options_of
from napari_medseg.engine.results import counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be said on the command line."""
    parser.add_argument("first", help="a model of the zoo, or a model or run folder")
    parser.add_argument("second", help="the model to compare with it")
    add_data(parser)


def run(options: argparse.Namespace) -> None:
    """Measure both, print the differences with their intervals, and write the report.

    Raises
    ------
    ValueError
        When the models and the data do not fit together, or cases could not be measured, after the
        differences of the others are written.
    SaveError
        When the results could not be written.
    """
    from medseg_training.data.dataset import read_dataset
    from medseg_training.evaluation.choice import EvaluationError, choose_cases, find_model
    from medseg_training.evaluation.comparison import compare_job, write_comparison
    from medseg_training.evaluation.page import signed

    first, second = (find_model(name, "pretrained") for name in (options.first, options.second))
    dataset = read_dataset(options.data, options.kind)
    chosen = choose_cases(dataset, options.split, options.fold, options.splits)
    comparison = followed(compare_job(first, second, dataset, chosen, options_of(options)))
    print(comparison.verdict())
    for measure, by_class in comparison.differences.items():
        for name, found in by_class.items():
            few = found.low != found.low
            interval = "" if few else f" (95 % {found.low:+.4f} to {found.high:+.4f})"
            cases = counted(found.n, "case")
            print(f"  {measure:5s} {name:24s} {signed(found.mean, 4)}{interval}, {cases}")
    if options.out:
        for path in write_comparison(options.out, comparison):
            print(f"wrote {path}", file=sys.stderr)
    for name, reason in comparison.first.failures:
        print(f"not measured: {name}: {reason}", file=sys.stderr)
    if comparison.first.incomplete:
        raise EvaluationError(comparison.first.incomplete)
