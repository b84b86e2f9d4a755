"""How a run is asked to stop: a signal, a file named STOP in its folder, a line on its input."""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOP_FILE = "STOP"


class StopRequest:
    """Whether a run shall end after the present step, with a checkpoint.

    Parameters
    ----------
    folder
        The run folder; a file named STOP in it asks to stop, also from another computer.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / STOP_FILE
        self._asked = False

    def asked(self) -> bool:
        """Say whether anybody has asked."""
        return self._asked or self._file.exists()

    def forget(self) -> None:
        """Take an earlier wish back, so that a stopped run can go on."""
        self._asked = False
        self._file.unlink(missing_ok=True)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen for SIGTERM, SIGINT and the line "stop" on standard input, where it is a pipe."""

        def ask(_signal: int, _frame: FrameType | None) -> None:
            self._asked = True

        before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
        source = _pipe()
        if source is not None:
            threading.Thread(target=self._read, args=(source,), daemon=True).start()
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _read(self, source: int) -> None:
        # Below Python's buffers, whose locks a thread that waits would hold when the program ends.
        text = b""
        while chunk := os.read(source, 1024):
            text += chunk
            if b"stop" in text.splitlines():
                self._asked = True
                return


def _pipe() -> int | None:
    """Give standard input where it is a pipe; a terminal or nothing at all is not listened to."""
    try:
        number = sys.stdin.fileno()
        return number if stat.S_ISFIFO(os.fstat(number).st_mode) else None
    except (AttributeError, OSError, ValueError):
        return None
