"""One process at a time holds a run folder, on Windows, too."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from medseg_training.run import run_lock
from medseg_training.run.earlier_run import check_free, remove_earlier
from medseg_training.run.run_lock import LOCK_FILE, RunInUseError, locked


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Locks as there, of the bytes from the position of a file on; gives those that are held."""
    held: set[int] = set()

    def locking(handle: int, _mode: int, count: int) -> None:
        position = os.lseek(handle, 0, os.SEEK_CUR)
        wanted = set(range(position, position + count))
        if wanted & held:
            raise OSError("Permission denied")
        held.update(wanted)

    msvcrt = ModuleType("msvcrt")
    msvcrt.locking, msvcrt.LK_NBLCK = locking, 2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(run_lock, "sys", SimpleNamespace(platform="win32"))
    return held


def test_a_second_process_is_refused_on_windows(windows: set[int], tmp_path: Path) -> None:
    with locked(tmp_path):
        text = (tmp_path / LOCK_FILE).read_bytes()
        assert int(text) == os.getpid()
        assert min(windows) > len(text), "a locked byte cannot be read"
        with pytest.raises(RunInUseError), locked(tmp_path):
            pass


def test_what_came_to_a_checkpoint_meanwhile_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").touch()
    check_free(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").touch()
    with pytest.raises(RunInUseError, match="holds a training already"):
        remove_earlier(tmp_path)
    assert (tmp_path / "events.jsonl").exists()
