"""What an earlier training left in a run folder; one without a checkpoint makes way for another."""

from __future__ import annotations

from pathlib import Path

from medseg_training.recipe_files import CONFIG_FILE
from medseg_training.run.checkpoints import BEST, is_begun
from medseg_training.run.events import EVENTS_FILE
from medseg_training.run.run_folder import (
    COMMANDS_FILE,
    ENVIRONMENT_FILE,
    FACTS_FILE,
    METRICS_FILE,
    SOURCES_FILE,
    SPLITS_FILE,
    TRACEBACK_FILE,
)
from medseg_training.run.run_lock import LOCK_FILE, RunInUseError
from medseg_training.run.stopping import STOP_FILE
from napari_medseg.engine.results import typed

_KEPT = (LOCK_FILE, STOP_FILE, "output.txt")
_REPLACED = (
    COMMANDS_FILE,
    CONFIG_FILE,
    ENVIRONMENT_FILE,
    EVENTS_FILE,
    FACTS_FILE,
    METRICS_FILE,
    SOURCES_FILE,
    SPLITS_FILE,
    TRACEBACK_FILE,
    f"checkpoints/{BEST}",
    "previews/*.png",
    "tb/events.out.tfevents.*",
)
"""All that a training without a checkpoint can have left beside the files of its process."""


def check_free(folder: Path) -> None:
    """Make sure that a training can begin in a folder without harm to what is there.

    Raises
    ------
    RunInUseError
        When it holds a training that can go on.
    ValueError
        When it holds files that a training would write over.
    """
    if is_begun(folder / "checkpoints"):
        command = typed(["--resume", str(folder)])
        raise RunInUseError(
            f"{folder} holds a training already: go on with {command}, or choose another folder."
        )
    left = _left_in(folder)
    if not left:
        return
    is_run = any((folder / name).exists() for name in (LOCK_FILE, EVENTS_FILE))
    if not is_run or _files_in(folder) - left - set(map(Path, _KEPT)):
        raise ValueError(
            f"{folder} holds files that this training would write over, and others; choose "
            "another folder."
        )


def remove_earlier(folder: Path) -> None:
    """Remove what a training left that came to no checkpoint.

    Raises
    ------
    RunInUseError, ValueError
        As `check_free`: another process may have come to a checkpoint since that was asked.
    """
    check_free(folder)
    for file in _left_in(folder):
        (folder / file).unlink()


def _left_in(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for name in _REPLACED for path in folder.glob(name)}


def _files_in(folder: Path) -> set[Path]:
    """Give the files below a folder, without the system's hidden ones."""
    files = (path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())
    return {file for file in files if not file.name.startswith(".")}
