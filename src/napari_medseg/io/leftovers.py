"""Hidden temporary names beside a target, and the cleaning up of what a killed process leaves."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from pathlib import Path

STALE_AFTER_SECONDS = 3600.0
_LONGEST_NAME = 255  # bytes; the limit of every file system in common use
_HIDDEN = re.compile(r"^\.(?P<name>.+)\.[0-9a-f]{8}\.(?P<kind>tmp|old)(?P<suffix>(\.\w+)*)$")


def hidden_name(stem: str, kind: str, suffix: str = "") -> str:
    """Give a name that no other file has, hidden, of a kind: ``"tmp"`` or ``"old"``."""
    tail = f".{secrets.token_hex(4)}.{kind}{suffix}"
    room = _LONGEST_NAME - len(tail.encode()) - 1
    return f".{stem.encode()[:room].decode(errors='ignore')}{tail}"


def sweep_stale(
    folder: str | os.PathLike[str], older_than: float = STALE_AFTER_SECONDS
) -> list[Path]:
    """Clean up what a killed process left in a folder.

    Hidden temporary files and folders of `io.atomic` go when they are older than `older_than`
    seconds (a younger one may belong to a program that is saving right now). A folder whose
    replacement was cut off between its two renames gets its name back.

    Parameters
    ----------
    folder : path-like
        Folder to clean; a missing one is no error. Folders inside are not entered.
    older_than : float
        Age in seconds.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for entry in _hidden_entries(Path(folder)):
        found = _HIDDEN.match(entry.name)
        if found is None:
            continue
        with suppress(OSError):
            original = entry.with_name(found["name"] + found["suffix"])
            if found["kind"] == "old" and not original.exists():
                entry.rename(original)
            elif time.time() - entry.stat().st_mtime > older_than:
                _remove(entry)
                removed.append(entry)
    return removed


def _hidden_entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if entry.name.startswith("."))
    except OSError:
        return []


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
