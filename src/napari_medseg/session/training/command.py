"""The command line that starts a training: what the dock shows, and what it runs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_medseg.engine.results import typed


@dataclass(frozen=True)
class TrainingCommand:
    """What starts a training.

    Parameters
    ----------
    recipe : str
        Name of a recipe of the package, or the path of a TOML file.
    run : Path
        The run folder.
    changes : mapping
        Values that differ from the recipe's, such as ``{"data.root": "scans"}``.
    resume : bool
        Whether the run folder's last checkpoint is gone on from.
    """

    recipe: str
    run: Path
    changes: Mapping[str, Any] = field(default_factory=dict)
    resume: bool = False

    @property
    def arguments(self) -> list[str]:
        """What follows ``napari-medseg``."""
        if self.resume:
            return ["train", "--resume", str(self.run)]
        changes = [f"{key}={as_toml(value)}" for key, value in self.changes.items()]
        return ["train", self.recipe, *changes, "--run", str(self.run)]

    def __str__(self) -> str:
        return typed(["napari-medseg", *self.arguments])


def as_toml(value: Any) -> str:
    """Write a value as the command line takes it: as in TOML, plain words without quotes."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{json.dumps(key)} = {_quoted(part)}" for key, part in value.items())
        return f"{{{inside}}}"
    if isinstance(value, str):
        return value if _is_plain(value) else json.dumps(value, ensure_ascii=False)
    return _quoted(value)


def _quoted(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_quoted(part) for part in value)}]"
    return as_toml(value) if isinstance(value, Mapping) else json.dumps(value, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    """Whether a text without quotes is still taken for a text."""
    try:
        tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return bool(text)
    return False
