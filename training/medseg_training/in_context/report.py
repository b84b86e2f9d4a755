"""The Dice of every method on every task, kept as JSON and read as tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_medseg.engine.results import counted

UNSEEN = " that were never trained or tuned on"
PROTOCOL = (
    "{classes} of a task is asked for by itself; a task counts with the mean of its classes. "
    "{draws} draw(s) of examples per class, up to {queries} queries each, the same for every "
    "method; fewer examples where a class occurs in too few images. Scored at the size of the "
    "image file (longer side at most 256)."
)


NAMES = {
    "net": "UniverSeg, one pass",
    "app": "UniverSeg as in the app",
    "refined": "one pass, then always a closer look",
    "subsets": "one pass, mean over 4 subsets of the examples",
    "mirrored": "one pass, mean over mirrored copies",
    "adapt": "UniverSeg adapted to the examples",
    "mean": "mean of the examples' masks",
    "nearest": "mask of the nearest example",
    "cut": "best threshold or k-means",
    "unet": "small U-Net fitted for {seconds:g} s",
}
"""The methods that can be measured, as they are called in tables."""

OF_NET = ("net", "app", "refined", "subsets", "mirrored", "adapt")
"""Those whose figures belong to certain weights."""


USUAL_SIZE = 128


class ReportError(ValueError):
    """Results cannot be put together; the message says why."""


@dataclass
class Report:
    """Dice by method, task and number of examples.

    Attributes
    ----------
    weights
        sha256 of the model's weights.
    classes
        How many classes of a task are asked for at most; 0 for all.
    dice
        ``dice[method][task][support]``.
    size
        Side of what the bare net sees, in pixels.
    seen
        Tasks that the model was trained or tuned on, as its card says.
    """

    support: tuple[int, ...]
    queries: int
    draws: int
    weights: str = ""
    classes: int = 0
    dice: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    size: int = USUAL_SIZE
    seen: tuple[str, ...] = ()

    @property
    def familiar(self) -> list[str]:
        """Tasks that were measured although the model has seen them."""
        return sorted({task for tasks in self.dice.values() for task in tasks} & {*self.seen})

    @property
    def protocol(self) -> str:
        """What was measured, in words."""
        if not self.familiar:
            return f"Mean Dice over tasks{UNSEEN}. {self._way}"
        named = ", ".join(self.familiar)
        caution = f"The model was trained or tuned on {named}: figures of these are too good."
        return f"Mean Dice over tasks. {self._way} {caution}"

    @property
    def _way(self) -> str:
        classes = f"Each of the first {self.classes} classes" if self.classes else "Each class"
        classes = "The first class" if self.classes == 1 else classes
        return PROTOCOL.format(classes=classes, draws=self.draws, queries=self.queries)

    @property
    def shared_tasks(self) -> list[str]:
        """Tasks on which every method was measured with every number of examples."""
        sizes = {str(n) for n in self.support}
        measured = [
            {task for task, row in rows.items() if sizes <= row.keys()}
            for rows in self.dice.values()
        ]
        return sorted(set.intersection(*measured)) if measured else []

    def mean(self, tasks: Sequence[str] | None = None) -> dict[str, dict[str, float]]:
        """Mean over `tasks`, or over all that a method was measured on, by method and support."""
        means = {}
        for method, rows in self.dice.items():
            chosen = [row for name, row in rows.items() if tasks is None or name in tasks]
            means[method] = {
                str(n): round(float(np.mean(values)), 4)
                for n in self.support
                if (values := [row[str(n)] for row in chosen if str(n) in row])
            }
        return means

    def as_results(self) -> dict[str, Any]:
        """Give what goes into a model card and into a results file."""
        return {
            "protocol": self.protocol,
            "support": list(self.support),
            "queries": self.queries,
            "draws": self.draws,
            "weights": self.weights,
            "size": self.size,
            "tasks_measured": {method: len(tasks) for method, tasks in self.dice.items()},
            "mean": self.mean(),
            "shared_tasks": self.shared_tasks,
            "mean_on_shared_tasks": self.mean(self.shared_tasks) if self.shared_tasks else {},
            "per_task": self.dice,
        }

    def add_from(self, path: Path) -> None:
        """Take over what a results file holds.

        It may hold figures for other numbers of examples as well; they are kept. Those of methods
        without the model are kept for any weights.

        Raises
        ------
        ReportError
            When it holds none, or they were measured in another way or of other weights.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            way, size, weights = str(content["protocol"]), content["size"], content["weights"]
            support, dice = content["support"], content["per_task"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReportError(f"{path} is no results file of this command.") from error
        if self._way not in way or size != self.size:
            raise ReportError(
                f"{path} was measured with other classes, draws, queries or another size; give "
                "another file."
            )
        ours = tuple(NAMES[name] for name in OF_NET)
        if weights != self.weights and any(name.startswith(ours) for name in dice):
            raise ReportError(f"{path} holds figures of other weights; give another file.")
        self.support = tuple(sorted({*self.support, *support}))
        self.dice = dice

    def markdown(self) -> str:
        """Give the tables that a person reads: the means, then every task."""
        lines = [self.protocol, "", *self._means(None)]
        shared = self.shared_tasks
        if shared and any(len(tasks) > len(shared) for tasks in self.dice.values()):
            note = f"On the {len(shared)} tasks on which every method was measured:"
            lines += ["", note, "", *self._means(shared)]
        methods = list(self.dice)
        lines += ["", f"Per task, for {' / '.join(map(str, self.support))} examples:", ""]
        lines += ["| task | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
        for task in sorted({name for tasks in self.dice.values() for name in tasks}):
            cells = " | ".join(self._cell(method, task) for method in methods)
            lines.append(f"| {task} | {cells} |")
        return "\n".join(lines) + "\n"

    def _means(self, tasks: Sequence[str] | None) -> list[str]:
        columns = [counted(n, "example") for n in self.support]
        lines = ["| method | tasks | " + " | ".join(columns) + " |"]
        lines.append("|---" * (len(columns) + 2) + "|")
        for method, values in self.mean(tasks).items():
            cells = " | ".join(
                f"{values[str(n)]:.3f}" if str(n) in values else "" for n in self.support
            )
            count = len(self.dice[method]) if tasks is None else len(tasks)
            lines.append(f"| {method} | {count} | {cells} |")
        return lines

    def _cell(self, method: str, task: str) -> str:
        row = self.dice[method].get(task)
        if row is None:
            return ""
        return " / ".join(f"{row[str(n)]:.2f}" if str(n) in row else "–" for n in self.support)
