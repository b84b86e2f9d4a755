"""The folder of a run: what was asked for, on which machine, what happened, the weights.

``config.json`` holds every value, ``env.json`` versions and device, ``facts.json`` net and classes
as the model card needs them, ``command.txt`` the commands that began it and went on with it,
``events.jsonl`` the truth line by line, ``metrics.csv`` one line per validation; ``checkpoints/``
and ``previews/`` hold the rest.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

from medseg_training.methods.method import Validation
from medseg_training.recipe_files import CONFIG_FILE
from medseg_training.run.curves import Curves
from medseg_training.run.events import EVENTS_FILE, Echo, EventLog
from napari_medseg.engine.results import typed
from napari_medseg.io.atomic import atomic_write

METRICS_FILE = "metrics.csv"
FACTS_FILE = "facts.json"
COMMANDS_FILE = "command.txt"
ENVIRONMENT_FILE = "env.json"
SPLITS_FILE = "splits_final.json"
SOURCES_FILE = "sources.json"
TRACEBACK_FILE = "traceback.txt"
_PROGRAM = ("python", "-m", "medseg_training")


class RunFolder:
    """Where one run writes; processes that do not lead write nothing.

    Parameters
    ----------
    path
        Made where it does not exist.
    config
        The checked values of the training.
    leads
        Whether this process writes.
    echo
        Is told every event, too.
    tensorboard
        Whether to write curves for TensorBoard.
    facts
        What a model card needs beside the values: net, classes, numbers of cases.
    """

    def __init__(
        self,
        path: Path,
        config: BaseModel,
        *,
        leads: bool = True,
        echo: Echo | None = None,
        tensorboard: bool = False,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.path, self.config, self._leads, self._facts = path, config, leads, facts
        path.mkdir(parents=True, exist_ok=True)
        self._events = EventLog(path / EVENTS_FILE, echo=echo)
        self._curves = Curves(path / "tb") if tensorboard and leads else None

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def describe(self) -> None:
        """Write what was asked for and where it runs."""
        if not self._leads:
            return
        values = self.config.model_dump_json(indent=2)
        for name, text in (
            (CONFIG_FILE, values),
            (ENVIRONMENT_FILE, json.dumps(environment(), indent=2)),
            (COMMANDS_FILE, f"{self._commands()}{typed([*_PROGRAM, *sys.argv[1:]])}\n"),
        ):
            write_text(self.path / name, text)
        if self._facts is not None:
            write_text(self.path / FACTS_FILE, json.dumps(self._facts, indent=2))

    def _commands(self) -> str:
        """Give the commands up to now, each with its line break."""
        path = self.path / COMMANDS_FILE
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def log(self, event: str, **values: Any) -> None:
        """Append an event."""
        if not self._leads:
            return
        if event == "started":
            values = {"pid": os.getpid(), **values}
        self._events.write(event, **values)
        if event == "train" and self._curves is not None:
            self._curves.add("train", values["step"], values["terms"] | {"rate": values["rate"]})

    def validation(self, step: int, epoch: float, found: Validation) -> None:
        """Log a validation with its pictures, and add a line to the table of metrics."""
        if not self._leads:
            return
        numbers = {"dice": round(found.score, 5), "loss": round(found.loss, 5)}
        self.log("validation", step=step, epoch=round(epoch, 3), **numbers, **found.details)
        self._add_row({"step": step, "epoch": round(epoch, 3), **numbers, **_flat(found.details)})
        if self._curves is not None:
            self._curves.add("validation", step, numbers)
        for name, content in found.previews.items():
            path = self.path / "previews" / f"{name}-{step:06}.png"
            path.parent.mkdir(exist_ok=True)
            atomic_write(path, partial(_write_bytes, content))
            self.log("preview", step=step, path=f"previews/{path.name}")

    def _add_row(self, row: Mapping[str, Any]) -> None:
        path = self.path / METRICS_FILE
        begins = not path.exists()
        with open(path, "a", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            if begins:
                writer.writerow(row.keys())
            writer.writerow(row.values())


def environment() -> dict[str, Any]:
    """Versions and hardware that a run depends on."""
    from napari_medseg import __version__

    return {
        "napari-medseg": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


def _flat(details: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {}
    for key, value in details.items():
        if isinstance(value, Mapping):
            row |= _flat(value, f"{prefix}{key} ")
        else:
            row[f"{prefix}{key}"] = value
    return row
