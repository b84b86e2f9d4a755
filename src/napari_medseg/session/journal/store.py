"""Where journals lie: a folder per running program, locked while it runs.

The lock is the operating system's own, which ends with the process however that ends, so a folder
that is not locked was left behind. No file or folder here is named after a patient, a layer or an
image; images are known by a hash of their pixels, and their files by a hash of their place.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from napari_medseg.io.user_folders import data_folder
from napari_medseg.session.journal.records import read_records

FOLDER_VARIABLE = "NAPARI_MEDSEG_JOURNAL"
SUFFIX = ".journal"
_LOCK = "lock"
_DAY = 24 * 3600.0

_own: set[Path] = set()
"""Folders of this process, whose locks must not be tried: closing a second handle opens them."""

_released: set[Path] = set()
"""Journals in such folders that are no longer written."""


def journal_folder() -> Path:
    """Give the folder of all journals; `FOLDER_VARIABLE` overrides it."""
    override = os.environ.get(FOLDER_VARIABLE)
    if override:
        return Path(override).expanduser()
    return data_folder() / "unsaved"


@dataclass(frozen=True)
class Unsaved:
    """A journal that a program left behind.

    Parameters
    ----------
    path : Path
        The file.
    head : dict
        Its first note: ``kind`` is "labels" or "examples"; of labels also the ``shape``, the hash
        of the ``image`` and of the ``place`` of its file.
    changed : float
        When it was last written, in seconds since 1970.
    """

    path: Path
    head: dict[str, Any]
    changed: float

    @property
    def is_own(self) -> bool:
        """Whether this program wrote it."""
        return self.path in _released

    def discard(self) -> None:
        """Delete it, and its folder with the last file."""
        self.path.unlink(missing_ok=True)
        _released.discard(self.path)
        if self.path.parent not in _own and not any(self.path.parent.glob(f"*{SUFFIX}")):
            shutil.rmtree(self.path.parent, ignore_errors=True)


class JournalStore:
    """The journals of this program, and those that others left behind.

    Parameters
    ----------
    root : Path
        The folder of all journals.
    limit_mb, days : int
        Journals that were left behind go when they are older, and the oldest ones first when all
        together are larger.
    """

    def __init__(self, root: Path, limit_mb: int = 500, days: int = 30) -> None:
        self.root, self.limit_mb, self.days = root, limit_mb, days
        self._folder: Path | None = None
        self._lock: IO[bytes] | None = None
        self._count = 0

    def new_path(self) -> Path:
        """Give a file name of this program; its folder is made and locked at the first call."""
        folder = self._folder or self._open()
        self._count += 1
        return folder / f"{self._count:04d}{SUFFIX}"

    def release(self, path: Path) -> None:
        """Take note that a file of this program is no longer written and may be offered."""
        _released.add(path)

    def close(self) -> None:
        """Give the lock back; journals that are still there count as left behind from now on."""
        if self._folder is None or self._lock is None:
            return
        self._lock.close()
        _own.discard(self._folder)
        _released.difference_update(self._folder.glob(f"*{SUFFIX}"))
        if not any(self._folder.glob(f"*{SUFFIX}")):
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._lock = None

    def unsaved(self) -> list[Unsaved]:
        """Give what was left behind, the latest first."""
        found = [entry for path in self._left_behind() if (entry := _entry(path)) is not None]
        return sorted(found, key=lambda entry: entry.changed, reverse=True)

    def tidy(self) -> None:
        """Delete what is too old, too much, or unreadable of what was left behind."""
        room = self.limit_mb * 2**20
        entries = self.unsaved()
        known = {entry.path for entry in entries}
        for entry in entries:
            room -= entry.path.stat().st_size
            if room < 0 or time.time() - entry.changed > self.days * _DAY:
                entry.discard()
        for path in self._left_behind():
            if path not in known and time.time() - path.stat().st_mtime > _DAY:
                path.unlink(missing_ok=True)

    def _open(self) -> Path:
        folder = self.root / secrets.token_hex(8)
        folder.mkdir(parents=True, mode=0o700)
        self._lock = (folder / _LOCK).open("wb")
        _lock(self._lock)
        _own.add(folder)
        self._folder = folder
        return folder

    def _left_behind(self) -> Iterator[Path]:
        for folder in sorted(self.root.glob("*")) if self.root.is_dir() else []:
            if folder in _own:
                yield from sorted(path for path in tuple(_released) if path.parent == folder)
            elif folder.is_dir() and not _is_locked(folder / _LOCK):
                yield from sorted(folder.glob(f"*{SUFFIX}"))


def _entry(path: Path) -> Unsaved | None:
    with suppress(OSError):
        head = next(read_records(path), None)
        if head is not None and "kind" in head.note:
            return Unsaved(path, head.note, path.stat().st_mtime)
    return None


def _is_locked(path: Path) -> bool:
    try:
        with path.open("r+b") as stream:
            _lock(stream)
            return False
    except FileNotFoundError:
        return False
    except OSError:
        return True


if sys.platform == "win32":
    import msvcrt

    def _lock(stream: IO[bytes]) -> None:
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(stream: IO[bytes]) -> None:
        # Not flock, which processes that were forked off would go on holding.
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
