"""Command line of the training package: `python -m medseg_training`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

COMMANDS = ("train", "export", "evaluate-in-context")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns 0 done, 1 the job failed, 2 the request was wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] not in COMMANDS and not given[0].startswith("-"):
        given.insert(0, "train")
    options = _parser().parse_args(given)
    try:
        options.run_command(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m medseg_training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train", help="train after a recipe (the default command)")
    train.add_argument("recipe", type=Path, help="a TOML recipe")
    train.add_argument("changes", nargs="*", help="section.key=value")
    where = train.add_mutually_exclusive_group()
    where.add_argument("--run", type=Path, help="run folder; default runs/RECIPE-TIME")
    where.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run folder")
    train.add_argument("--init-from", type=Path, metavar="MODEL", help="begin with its weights")
    train.set_defaults(run_command=_train)

    export = commands.add_parser("export", help="make a model of the zoo from a run folder")
    export.add_argument("run", type=Path)
    export.add_argument("--to", type=Path, required=True, help="the model folder to write")
    export.add_argument("--results", type=Path, help="results file of evaluate-in-context")
    export.add_argument("--note", default="", help="what the recipe does not say, for the card")
    export.set_defaults(run_command=_export)

    measure = commands.add_parser("evaluate-in-context", help="Dice per task beside baselines")
    measure.add_argument("model", type=Path, help="a model folder")
    measure.add_argument("data", type=Path, help="a folder of task folders")
    measure.add_argument("--support", type=int, nargs="+", default=[1, 4, 16])
    measure.add_argument("--queries", type=int, default=8, help="largest number per class")
    measure.add_argument("--draws", type=int, default=1, help="draws of examples per class")
    measure.add_argument("--size", type=int, default=128, help="of the bare net's input")
    measure.add_argument("--tasks", nargs="+", help="only these task folders")
    measure.add_argument(
        "--methods",
        nargs="+",
        choices=("net", "app", "mean", "nearest", "unet"),
        default=["net", "mean", "nearest"],
        help="net: one pass; app: as the app segments; the others are baselines",
    )
    measure.add_argument("--unet-seconds", type=float, default=60.0, help="CPU time of each fit")
    measure.add_argument("--markdown", type=Path, help="write the tables here")
    measure.add_argument(
        "--results", type=Path, help="write the figures here (JSON); kept and added to"
    )
    measure.set_defaults(run_command=_evaluate)
    return parser


def _train(options: argparse.Namespace) -> None:
    from medseg_training.in_context.recipe import read_recipe
    from medseg_training.trainer import build_trainer

    recipe = read_recipe(options.recipe, options.changes)
    default = Path("runs") / f"{options.recipe.stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    trainer = build_trainer(recipe, options.resume or options.run or default)
    if options.resume:
        trainer.resume()
    elif options.init_from:
        from napari_medseg.zoo.cards import ModelCard
        from napari_medseg.zoo.weights import load_net

        trainer.start_from(load_net(ModelCard.from_folder(options.init_from)).state_dict())
    trainer.stop_on_signals()
    trainer.fit()


def _export(options: argparse.Namespace) -> None:
    from medseg_training.export import export_run

    results = None
    if options.results:
        results = json.loads(options.results.read_text(encoding="utf-8"))
    card = export_run(options.run, options.to, results=results, note=options.note)
    print(f"{card.name}: {card.size_bytes:,} bytes after {card.training['steps']:,} steps")


def _evaluate(options: argparse.Namespace) -> None:
    from medseg_training import evaluate
    from medseg_training.in_context.tasks import read_task, read_tasks
    from napari_medseg.zoo.cards import ModelCard

    if options.tasks:
        tasks = [read_task(options.data / name) for name in options.tasks]
    else:
        tasks = read_tasks(options.data)
    methods = dict(
        evaluate.method_named(name, options.model, options.size, options.unet_seconds)
        for name in options.methods
    )
    card = ModelCard.from_folder(options.model)
    report = evaluate.Report(tuple(options.support), options.queries, options.draws, card.sha256)
    if options.results and options.results.exists():
        report.add_from(options.results)
    for task in tasks:  # written after every task, so that a long measurement can be broken off
        evaluate.evaluate(methods, [task], report)
        if options.results:
            text = json.dumps(report.as_results(), indent=2)
            options.results.write_text(text + "\n", encoding="utf-8")
    if options.markdown:
        title = f"# {card.title}: how good it is on tasks it has never seen\n\n"
        origin = f"Weights {card.sha256[:12]}, version {card.version}.\n\n"
        options.markdown.write_text(title + origin + report.markdown(), encoding="utf-8")
    print(report.markdown())


if __name__ == "__main__":
    sys.exit(main())
