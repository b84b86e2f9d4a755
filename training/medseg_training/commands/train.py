"""`train`: fit a net after a recipe, in a run folder, or go on with one."""

from __future__ import annotations

import argparse
import errno
import sys
import time
import traceback
from contextlib import nullcontext, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medseg_training.distributed import Processes
    from medseg_training.in_context.recipe import Recipe
    from medseg_training.run.events import Echo
    from medseg_training.schema import RunConfig

DESCRIPTION = (
    "Values are changed by section.key=value, written as in TOML. Behind torchrun write "
    "--run-folder instead of --run, which torchrun takes for one of its own."
)
_FULL = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "takes no more, because your quota is used up",
    errno.EFBIG: "takes no file so large",
}
"""What a disk does that takes no more, by the number of the error."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what can be said on the command line."""
    parser.epilog = DESCRIPTION
    parser.add_argument("recipe", nargs="?", help="a TOML recipe, or the name of one (see recipes)")
    parser.add_argument("changes", nargs="*", metavar="section.key=value", help="changed values")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--run", "--run-folder", type=Path, help="run folder; default runs/RECIPE-TIME"
    )
    where.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run folder")
    parser.add_argument(
        "--init-from", metavar="MODEL", help="begin with these weights (start.model)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, fit one batch, write nothing"
    )
    parser.add_argument(
        "--json", action="store_true", help="print the log as lines of JSON instead of words"
    )


def run(options: argparse.Namespace) -> None:
    """Train; what happens goes into the run folder, and is told in words or as JSON.

    Raises
    ------
    ValueError
        When the recipe, the data or the run folder cannot be used.
    OSError, RuntimeError, MemoryError
        When the training failed; the last checkpoint is untouched.
    """
    from medseg_training.distributed import joined, local_device
    from medseg_training.run.events import EVENTS_FILE
    from medseg_training.run.run_lock import LOCK_FILE, RunInUseError
    from napari_medseg.engine.devices import choose_device

    config = _config(options)
    config = config.model_copy(update={"device": local_device(config.device)})
    if options.dry_run:
        _try_out(config)
        return
    folder = _run_folder(options)
    there = folder.is_dir()
    try:
        with joined(choose_device(config.device)) as processes:
            resumes = options.resume is not None
            _train(config, folder, processes, resumes, _echo(options.json, folder))
    except RunInUseError:
        raise  # the run is another's; nothing is written into it
    except Exception as error:
        explained = _explained(error, folder)
        if there or (folder / EVENTS_FILE).exists():
            _tell(folder, explained)
        else:  # nothing was begun, so nothing is left behind
            with suppress(OSError):
                (folder / LOCK_FILE).unlink(missing_ok=True)
                folder.rmdir()
        raise explained from (error if explained is not error else None)


def _train(
    config: RunConfig | Recipe, folder: Path, processes: Processes, resumes: bool, echo: Echo
) -> None:
    from medseg_training.build import build_trainer
    from medseg_training.run.earlier_run import remove_earlier
    from medseg_training.run.run_lock import locked

    with locked(folder) if processes.leads else nullcontext():
        if processes.leads and not resumes:
            remove_earlier(folder)
        trainer = build_trainer(config, folder, echo=echo, processes=processes, resumes=resumes)
        try:
            if resumes:
                trainer.resume()
            trainer.stop.forget()
            with trainer.stop.listening():
                trainer.fit()
        finally:
            trainer.method.close()


def _echo(as_json: bool, folder: Path) -> Echo:
    from medseg_training.run.events import print_json
    from medseg_training.words import Narrator

    return print_json if as_json else Narrator(folder)


def _try_out(config: RunConfig | Recipe) -> None:
    """Do everything once, and fit a single batch, in a folder that vanishes."""
    from medseg_training.build import build_trainer
    from medseg_training.dry_run import STEPS, dry_run

    print(f"Trying a step, a validation, and {STEPS} steps with one batch …", flush=True)
    with TemporaryDirectory(prefix="medseg-dry-run-") as folder:
        trainer = build_trainer(config, Path(folder))
        for caution in trainer.method.cautions:
            print(f"⚠ {caution}", file=sys.stderr)
        try:
            first, last = dry_run(trainer)
        finally:
            trainer.method.close()
    print(f"The data and the net fit together. Fitting one batch: loss {first:.4f} to {last:.4f}.")


def _explained(error: Exception, folder: Path) -> Exception:
    """Say what to do about a disk that takes no more, whatever was being written."""
    reason = _FULL.get(error.errno or 0) if isinstance(error, OSError) else None
    if reason is None:
        return error
    if _is_begun(folder):
        rest = (
            f"The last checkpoint is whole: free some space, then go on with {_resuming(folder)}."
        )
    else:
        rest = "Free some space, then begin the run again."
    return OSError(f"The disk of {folder} {reason}. {rest}")


def _is_begun(folder: Path) -> bool:
    """Say whether a run came to a checkpoint, so that it can go on."""
    from medseg_training.run.checkpoints import is_begun

    return is_begun(folder / "checkpoints")


def _resuming(folder: Path) -> str:
    from napari_medseg.engine.results import typed

    return typed(["--resume", str(folder)])


def _tell(folder: Path, error: Exception) -> None:
    """Leave word in the run folder, where the dock looks; without hiding what went wrong."""
    from medseg_training.run.events import EVENTS_FILE, EventLog
    from medseg_training.run.run_folder import TRACEBACK_FILE

    with suppress(OSError):
        EventLog(folder / EVENTS_FILE).write("error", message=str(error))
        (folder / TRACEBACK_FILE).write_text(traceback.format_exc(), encoding="utf-8")


def _run_folder(options: argparse.Namespace) -> Path:
    from medseg_training.run.earlier_run import check_free

    if options.resume:
        resumed: Path = options.resume
        if not _is_begun(resumed):
            raise ValueError(
                f"{resumed} ended before its first checkpoint, so that there is nothing to go on "
                "from: begin it again, without --resume."
            )
        return resumed
    folder: Path = options.run or (
        Path("runs") / f"{Path(options.recipe).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    )
    check_free(folder)
    return folder


def _config(options: argparse.Namespace) -> RunConfig | Recipe:
    from medseg_training.recipe_files import RecipeError, find_recipe, read_config, read_recipe

    if options.resume:
        if options.init_from:
            raise RecipeError("A run goes on with its own weights: leave out --init-from.")
        first = [options.recipe] if options.recipe else []
        if first and "=" not in first[0]:
            raise RecipeError(
                f"A run goes on with its own recipe: leave out {first[0]!r}, change single values "
                "by section.key=value."
            )
        return read_config(options.resume, [*first, *options.changes])
    if not options.recipe:
        raise RecipeError("Name a recipe to train after, or a run to go on with (--resume RUN).")
    changes = list(options.changes)
    if options.init_from:
        changes.append(f"start.model={options.init_from}")
    return read_recipe(find_recipe(options.recipe), changes)
