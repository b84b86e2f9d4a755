"""Where training data came from and under which licence, as their manifest says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NOT_STATED = "not stated"


@dataclass(frozen=True)
class TaskSource:
    """One data set: folder name, what it is, original name, licence as stated, pairs used."""

    task: str
    modality: str
    original: str
    licence: str
    pairs: int


def read_sources(root: Path, pairs: Mapping[str, int]) -> list[TaskSource]:
    """Give the sources of tasks, {name: pairs}, from `manifest.json` in `root` or beside it.

    A task that no manifest names is listed under its own name, its licence as "not stated".
    """
    entries: dict[str, dict[str, object]] = {}
    for folder in (root.resolve().parent, root):
        manifest = folder / "manifest.json"
        if manifest.is_file():
            content = json.loads(manifest.read_text(encoding="utf-8"))
            entries |= {str(entry.get("task")): entry for entry in content}
    return [_source(name, count, entries.get(name, {})) for name, count in pairs.items()]


def _source(name: str, pairs: int, entry: dict[str, object]) -> TaskSource:
    licence = re.sub(r"[,;(]?\s*\(?verify\)?", "", str(entry.get("licence", NOT_STATED))).strip()
    return TaskSource(
        task=name,
        modality=str(entry.get("modality", NOT_STATED)),
        original=str(entry.get("original", name)),
        licence=licence,
        pairs=pairs,
    )
