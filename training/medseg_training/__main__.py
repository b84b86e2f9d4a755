"""Command line of the training package: `python -m medseg_training`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from napari_medseg.engine.devices import limit_threads
from napari_medseg.io.settings_file import read_settings

COMMANDS = {
    "train": "train after a recipe (the default command)",
    "recipes": "list the recipes, or every value of one",
    "verify-data": "tell everything that is wrong with a data set",
    "evaluate": "how good a model is on a data set",
    "compare-models": "which of two models is better on the same cases",
    "export": "make a model of the zoo from a run folder",
    "evaluate-in-context": "Dice per task of an in-context model, beside baselines",
}
"""Each command with what it is for; `commands/NAME.py` does it."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong with a request in one sentence."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit status 2."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None, program: str = "python -m medseg_training") -> int:
    """Run one command; returns 0 done, 1 the job failed, 2 the request was wrong.

    Parameters
    ----------
    arguments
        The words of the request; those of the command line by default.
    program
        What the person calls it.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] not in COMMANDS and not given[0].startswith("-"):
        given.insert(0, "train")
    chosen = given[0] if given and given[0] in COMMANDS else None
    parser = _parser(chosen, program)
    options, rest = parser.parse_known_args(given)
    if rest and (
        chosen != "train" or any(word.startswith("-") or "=" not in word for word in rest)
    ):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    if rest:  # changed values that stand behind an option
        options.changes.extend(rest)
    limit_threads(read_settings().threads)
    try:
        options.run_command(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, RuntimeError, MemoryError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser(chosen: str | None, program: str) -> argparse.ArgumentParser:
    """Give the parser; only the module of the chosen command is imported."""
    parser = _Parser(
        prog=program,
        usage=f"{program} RECIPE [section.key=value ...] | COMMAND ...",
        description="Train networks, and what belongs to that.",
        epilog=f"{program} recipes lists the recipes, {program} recipes RECIPE all its values, and "
        f"{program} RECIPE --help the options of a training, such as --run and --resume.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        own = program if name == "train" else f"{program} {name}"
        command = commands.add_parser(name, prog=own, help=purpose, description=purpose)
        if name == chosen:
            module = import_module(f"medseg_training.commands.{name.replace('-', '_')}")
            module.add_arguments(command)
            command.set_defaults(run_command=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
