"""The command as a whole: a request that cannot be read is answered in one sentence."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import typer
from typer.core import TyperGroup

from napari_medseg.cli.report import FAILED, WRONG, say


class Commands(TyperGroup):
    """All commands; a wrong word, option or value ends with exit status 2 and one sentence."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and leave with its exit status."""
        run = partial(
            super().main, args, prog_name, complete_var, False, windows_expand_args, **extra
        )
        if not standalone_mode:
            return run()
        try:
            status = run()
        except typer.Abort:
            say("Stopped.")
            sys.exit(FAILED)
        except Exception as error:
            # Wherever typer keeps the errors of its parser, they can be asked for their words.
            if not hasattr(error, "format_message"):
                raise
            say(f"napari-medseg: {_sentence(error)}")
            sys.exit(WRONG)
        sys.exit(status or 0)


def _sentence(error: Any) -> str:
    """Give what is wrong with a request, ranges in words, and where to read on."""
    words = str(error.format_message()).strip().rstrip(".")
    words = words.replace("Value error, ", "").replace("Input should be", "it must be")
    words = re.sub(r"the range (\S+?)<=x<=(\S+)", r"the range \1 to \2", words)
    words = re.sub(r"the range x>=(\S+)", r"the range from \1 upwards", words)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "napari-medseg"
    return f"{' '.join(words.split())}; see {path} --help."
