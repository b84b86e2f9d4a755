"""A training run as the app sees it: a folder with a log, and the process that writes it.

The training is a process of its own that survives the window. What it does is read from the run
folder's `events.jsonl`, never from the process, so that a run can be found again after napari was
closed, and a run that was started from a command line looks the same.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import psutil

from medseg_training.run.events import EVENTS_FILE
from medseg_training.run.stopping import STOP_FILE
from napari_medseg.io.user_folders import data_folder
from napari_medseg.session.training.command import TrainingCommand

OUTPUT = "output.txt"
_NICE = 10
_CHECKPOINTS = "checkpoints/last.ckpt", "checkpoints/last.prev.ckpt"
"""As `medseg_training.run.checkpoints` names them; that module would bring torch with it."""

Phase = Literal["new", "running", "stopping", "stopped", "finished", "failed", "lost"]
AT_WORK: tuple[Phase, ...] = ("new", "running", "stopping")


def runs_folder() -> Path:
    """Give the folder in which the app keeps its runs."""
    return data_folder() / "runs"


def start(command: TrainingCommand) -> subprocess.Popen[bytes]:
    """Start a training that outlives this program; its words go to `output.txt` in the run folder.

    Raises
    ------
    ValueError
        If the run folder is in use, or holds another run that is not resumed.
    OSError
        If it cannot be started.
    """
    run = command.run
    if is_alive(run):
        raise ValueError(f"A training is writing to {run.name} already; stop it first.")
    if not command.resume and (run / EVENTS_FILE).exists():
        resume = "resume it, or " if _has_checkpoint(run) else ""
        raise ValueError(f"{run.name} holds a training; {resume}choose another name.")
    run.mkdir(parents=True, exist_ok=True)
    (run / STOP_FILE).unlink(missing_ok=True)
    with open(run / OUTPUT, "ab") as output:
        process = subprocess.Popen(
            # Not from the working folder (-P), where paths begin but no module is looked for.
            [sys.executable, "-P", "-m", "medseg_training", *command.arguments, "--json"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _yield_to_others(process.pid)
    # Somebody has to wait for it, or it stays in the list of processes after its end.
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def _yield_to_others(pid: int) -> None:
    """Let a training have what the window, and whatever else a person works with, leave over."""
    low = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else _NICE
    with contextlib.suppress(psutil.Error):
        psutil.Process(pid).nice(low)


def stop(run: Path) -> None:
    """Ask a run to finish its step, save and end."""
    (run / STOP_FILE).touch()


def kill(run: Path) -> None:
    """End a run that does not listen; its last checkpoint stays good."""
    process = _process(last_start(run))
    if process is not None:
        with contextlib.suppress(psutil.Error):
            process.kill()


def is_alive(run: Path) -> bool:
    """Whether the process of a run, on this computer, still works."""
    return _process(last_start(run)) is not None


def last_start(run: Path) -> Mapping[str, Any] | None:
    """Give the event of a run's latest start; None where there is none."""
    found, log = None, run / EVENTS_FILE
    for event in _events(log.read_bytes() if log.is_file() else b""):
        if event.get("event") == "started":
            found = event
    return found


def runs_in(folder: Path) -> list[Path]:
    """Give the run folders directly below a folder, the latest first."""
    if not folder.is_dir():
        return []
    runs = [path for path in folder.iterdir() if (path / EVENTS_FILE).is_file()]
    return sorted(runs, key=lambda path: (path / EVENTS_FILE).stat().st_mtime, reverse=True)


class RunFollower:
    """Reads a run's log as it grows.

    Parameters
    ----------
    run : Path
        The run folder; it may not exist yet.
    process : Popen, optional
        What writes it, where it was started here: it may end before there is a log.

    Attributes
    ----------
    losses, scores
        Points (step, value): training loss, and Dice on the validation cases.
    step, steps
        Steps done and steps in all.
    seconds_per_step
        As reported last; 0 while unknown.
    preview
        Picture of validation cases, where one was written.
    """

    def __init__(self, run: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        self.run = run
        self._own = process
        self.losses: list[tuple[int, float]] = []
        self.scores: list[tuple[int, float]] = []
        self.step = self.steps = 0
        self.seconds_per_step = 0.0
        self._said = ""
        self.preview: Path | None = None
        self._ended: Phase | None = None
        self._start: Mapping[str, Any] | None = None
        self._read = 0

    def poll(self) -> bool:
        """Read what is new; tells whether anything was. A line that is only half written waits."""
        content = b""
        with contextlib.suppress(OSError), open(self.run / EVENTS_FILE, "rb") as stream:
            stream.seek(self._read)
            content = stream.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        for event in _events(whole):
            self._take(event)
        return bool(whole)

    @property
    def phase(self) -> Phase:
        """What the run is doing; it has not ended while its process is still there."""
        if self._own is not None and (self._start or {}).get("pid") != self._own.pid:
            # The log, if there is one, still tells of an earlier start.
            return "new" if self._own.poll() is None else "failed"
        if _process(self._start) is None:
            return self._ended or ("new" if self._start is None else "lost")
        asked = self._ended is not None or (self.run / STOP_FILE).exists()
        return "stopping" if asked else "running"

    @property
    def can_resume(self) -> bool:
        """Whether there is a checkpoint to go on from, and nobody is at work."""
        return _has_checkpoint(self.run) and self.phase not in AT_WORK

    @property
    def message(self) -> str:
        """The latest warning or error, in one sentence; empty where all is well."""
        if self.phase == "failed" and not self._said:
            return _last_line(self.run / OUTPUT)
        return self._said

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the time to the last step; None while it cannot be told."""
        if not self.seconds_per_step or not self.steps:
            return None
        return self.seconds_per_step * max(0, self.steps - self.step)

    @property
    def best(self) -> float | None:
        """The highest Dice on the validation cases so far."""
        return max((value for _, value in self.scores), default=None)

    def _take(self, event: Mapping[str, Any]) -> None:
        kind = event.get("event")
        self.step = int(event.get("step", self.step))
        if kind == "started":
            self._start, self._ended, self._said = event, None, ""
            self.steps = int(event.get("steps", self.steps))
            self._forget_after(self.step)
        elif kind == "train":
            self.seconds_per_step = float(event.get("seconds_per_step", 0.0))
            self.losses.append((self.step, float(event["loss"])))
        elif kind == "validation":
            self.scores.append((self.step, _mean(event["dice"])))
        elif kind == "preview":
            self.preview = self.run / str(event["path"])
        elif kind == "warning":
            self._said = f"{self._said} {event.get('message', '')}".strip()
        elif kind == "error":
            self._said = str(event.get("message", ""))
        if kind in ("stopped", "finished"):
            self._ended = kind
        elif kind == "error":
            self._ended = "failed"

    def _forget_after(self, step: int) -> None:
        """Take back what a run that goes on from a checkpoint repeats."""
        self.losses = [point for point in self.losses if point[0] <= step]
        self.scores = [point for point in self.scores if point[0] <= step]


def _has_checkpoint(run: Path) -> bool:
    return any((run / name).exists() for name in _CHECKPOINTS)


def _last_line(output: Path) -> str:
    with contextlib.suppress(OSError):
        lines = output.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "The training could not be started."
    return "The training could not be started."


def _mean(dice: Any) -> float:
    """Give one number; trainings in context report the Dice for several numbers of examples."""
    values = list(dice.values()) if isinstance(dice, Mapping) else [dice]
    return float(sum(values) / len(values))


def _events(content: bytes) -> Sequence[Mapping[str, Any]]:
    found = []
    for line in content.splitlines():
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict):
                found.append(event)
    return found


def _process(start: Mapping[str, Any] | None) -> psutil.Process | None:
    """Find the process that wrote a start; None if it ended or its number went to another one."""
    if start is None:
        return None
    with contextlib.suppress(psutil.Error, KeyError, TypeError, ValueError):
        process = psutil.Process(int(start["pid"]))
        ended = process.status() == psutil.STATUS_ZOMBIE
        # A process that is younger than the event cannot have written it.
        if not ended and process.create_time() <= float(start["time"]) + 1:
            return process
    return None
