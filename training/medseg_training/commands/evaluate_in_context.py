"""`evaluate-in-context`: Dice per task of an in-context model, beside baselines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from medseg_training.in_context.report import NAMES, USUAL_SIZE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be said on the command line."""
    parser.add_argument("model", help="an in-context model of the zoo, or a model or run folder")
    parser.add_argument("data", type=Path, help="a folder of task folders")
    parser.add_argument("--support", type=above_0, nargs="+", default=[1, 4, 16])
    parser.add_argument("--queries", type=above_0, default=8, help="largest number per class")
    parser.add_argument("--draws", type=above_0, default=1, help="draws of examples per class")
    parser.add_argument(
        "--classes", type=from_0, default=0, help="only so many of each task; 0: all"
    )
    parser.add_argument("--size", type=above_0, default=USUAL_SIZE, help="of the bare net's input")
    parser.add_argument("--tasks", nargs="+", help="only these task folders")
    parser.add_argument(
        "--methods",
        nargs="+",
        choices=tuple(NAMES),
        metavar="METHOD",
        default=["net", "mean", "nearest"],
        help="; ".join(f"{short}: {full}" for short, full in NAMES.items()).format(seconds=60),
    )
    parser.add_argument("--unet-seconds", type=float, default=60.0, help="CPU time of each fit")
    parser.add_argument(
        "--adapt-effort", type=above_0, default=1, help="adapt: fit at most so many times as long"
    )
    parser.add_argument("--markdown", type=Path, help="write the tables here")
    parser.add_argument(
        "--results", type=Path, help="write the figures here (JSON); kept and added to"
    )


def above_0(text: str) -> int:
    """Read a number of at least 1; argparse says what was wrong."""
    number = from_0(text)
    if not number:
        raise argparse.ArgumentTypeError("it must be at least 1")
    return number


def from_0(text: str) -> int:
    """Read a number of at least 0; argparse says what was wrong."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"it must be a whole number of at least 0, not {text!r}")
    return int(text)


def run(options: argparse.Namespace) -> None:
    """Measure and print the tables.

    Raises
    ------
    ValueError
        When the model, the data or kept figures do not fit together.
    """
    from medseg_training.evaluation.choice import find_model
    from medseg_training.in_context.measure import measure, method_named
    from medseg_training.in_context.report import Report
    from medseg_training.in_context.tasks import read_task, read_tasks
    from napari_medseg.io.atomic import atomic_write

    def save(text: str, path: Path) -> None:
        atomic_write(path, lambda file: file.write_text(text, encoding="utf-8"))

    card = find_model(options.model, "in-context")
    if options.tasks:
        tasks = [read_task(options.data / name) for name in options.tasks]
    else:
        tasks = read_tasks(options.data)
    methods = dict(
        method_named(
            name, card.weights_path.parent, options.size, options.unet_seconds, options.adapt_effort
        )
        for name in options.methods
    )
    limits = (options.queries, options.draws)
    training = card.training
    seen = (*(str(s["task"]) for s in training.get("data", ())), *training.get("left_out", ()))
    report = Report(
        tuple(options.support), *limits, card.sha256, options.classes, size=options.size, seen=seen
    )
    if options.results and options.results.exists():
        report.add_from(options.results)
    for task in tasks:  # written after every task, so that a long measurement can be broken off
        measure(methods, [task], report, support=options.support)
        if options.results:
            save(json.dumps(report.as_results(), indent=2) + "\n", options.results)
    if options.markdown:
        unseen = "" if report.familiar else " on tasks it has never seen"
        title = f"# {card.title}: how good it is{unseen}\n\n"
        origin = f"Weights {card.sha256[:12]}, version {card.version}.\n\n"
        save(title + origin + report.markdown(), options.markdown)
    print(report.markdown())
