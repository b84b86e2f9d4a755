"""One process at a time trains in a run folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

LOCK_FILE = "run.lock"
_LOCKED_BYTE = 2**30


class RunInUseError(ValueError):
    """A run folder is that of another training; the message says what to do."""


@contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold a run folder, which is made where it does not exist.

    The system itself gives the lock back when a process ends, however it ends.

    Raises
    ------
    RunInUseError
        When another process holds it.
    ValueError
        When nothing can be written there.
    """
    with _lock_file(run) as stream:
        if not _taken(stream):
            raise RunInUseError(
                f"Another process is training in {run}; wait for it, stop it (a file named STOP in "
                "that folder does), or choose another folder."
            )
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def _lock_file(run: Path) -> IO[str]:
    try:
        run.mkdir(parents=True, exist_ok=True)
        return open(run / LOCK_FILE, "a+", encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"Nothing can be written in {run} ({error.strerror}); choose another run folder with "
            "--run."
        ) from error


def _taken(stream: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            # Locked is the byte at the position, which nobody else can read: not one of the text.
            os.lseek(stream.fileno(), _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
