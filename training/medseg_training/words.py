"""How a training goes, in words: the same in a terminal and in the dock."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_medseg.engine.results import counted, duration, typed

PHASES = {
    "new": "Starting…",
    "running": "Training",
    "stopping": "Stopping: the step is finished and saved…",
    "stopped": "Stopped and saved",
    "finished": "Finished",
    "failed": "Failed",
    "lost": "Ended without a word (the computer went off, or it was killed)",
}
"""What a run is doing, by the names of `napari_medseg.session.training.runs.Phase`."""


def state_words(
    begin: str,
    *,
    loss: float | None = None,
    dice: float | None = None,
    best: float | None = None,
    seconds_left: float | None = None,
) -> str:
    """Give one line: what is going on, the loss, the Dice on the validation cases, the time left.

    Parameters
    ----------
    begin
        Its first words.
    loss, dice, best
        As known last; the Dice is told with the best one so far.
    seconds_left
        Estimate of the time to the last step.
    """
    parts = [begin]
    if loss is not None:
        parts.append(f"loss {loss:.3f}")
    if dice is not None:
        parts.append(f"Dice {dice:.3f}" + ("" if best is None else f" (best {best:.3f})"))
    if seconds_left is not None:
        parts.append(f"about {duration(seconds_left)} left")
    return " · ".join(parts)


FEW_STEPS = 5
"""An epoch of fewer changes of the weights is probably not what was meant."""


def few_steps(steps_per_epoch: int, batch_size: int) -> str:
    """Warn of an epoch of so few steps that a usual number of epochs is a short training.

    Parameters
    ----------
    steps_per_epoch
        Changes of the weights in one pass over the data.
    batch_size
        Planes that one step takes.

    Returns
    -------
    str
        A sentence; empty where an epoch has enough steps.
    """
    if steps_per_epoch >= FEW_STEPS:
        return ""
    smaller = f"a batch size (now {batch_size}) that is smaller, or " if batch_size > 1 else ""
    found = f"One epoch is only {counted(steps_per_epoch, 'step')}"
    return f"{found}: choose {smaller}more epochs than usual."


class Narrator:
    """Tells a person at a terminal what is written into the log of a run, line by line.

    Parameters
    ----------
    run
        The run folder.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._steps = 0
        self._best: float | None = None

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Print an event on standard error, if a person needs to know of it."""
        line = self.line(event)
        if line:
            print(line, file=sys.stderr, flush=True)

    def line(self, event: Mapping[str, Any]) -> str:
        """Give an event in words; empty for what only programs need."""
        kind = event["event"]
        if kind == "started":
            return self._begin(event)
        if kind == "train":
            left = event["seconds_left"]
            return state_words(self._place(event), loss=event["loss"], seconds_left=left or None)
        if kind == "validation":
            return self._validation(event)
        if kind == "warning":
            return f"⚠ {event['message']}"
        return self._end(kind, event) if kind in ("stopped", "finished") else ""

    def _begin(self, event: Mapping[str, Any]) -> str:
        self._steps, self._best = int(event["steps"]), event.get("best")
        epoch = event.get("steps_per_epoch")
        each = f", {epoch} an epoch" if epoch else ""
        since = f", on from step {event['step']}" if event["step"] else ""
        how_long = f"{counted(self._steps, 'step')}{each}{since}"
        return f"{PHASES['running']} in {self._run}: {how_long}. Ctrl-C stops and saves."

    def _place(self, event: Mapping[str, Any]) -> str:
        return f"step {event['step']} of {self._steps}"

    def _validation(self, event: Mapping[str, Any]) -> str:
        dice = float(event["dice"])
        self._best = dice if self._best is None else max(self._best, dice)
        line = state_words(f"{self._place(event)} · validation", dice=dice, best=self._best)
        classes = {
            name: value for name, value in event.get("classes", {}).items() if value is not None
        }
        if len(classes) < 2:
            return line
        return f"{line} · " + ", ".join(f"{name} {value:.3f}" for name, value in classes.items())

    def _end(self, kind: str, event: Mapping[str, Any]) -> str:
        best = event.get("best")
        line = f"{PHASES[kind]} · {self._place(event)}"
        line += "" if best is None else f" · best Dice {best:.3f}"
        if kind == "stopped":
            command = typed(["napari-medseg", "train", "--resume", str(self._run)])
            return f"{line}. Go on with: {command}"
        command = typed(["napari-medseg", "train", "export", str(self._run), "--to", "FOLDER"])
        return f"{line}. Make a model of it with: {command}"
