"""How a run is asked to stop: a signal, a file named STOP in its folder, a line on its input."""

from __future__ import annotations

import signal
import sys
import threading
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

    def listen(self) -> None:
        """Listen for SIGTERM, SIGINT and the line "stop" on standard input, where it is a pipe."""

        def ask(_signal: int, _frame: FrameType | None) -> None:
            self._asked = True

        signal.signal(signal.SIGTERM, ask)
        signal.signal(signal.SIGINT, ask)
        if sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty():
            threading.Thread(target=self._read_input, daemon=True).start()

    def _read_input(self) -> None:
        for line in sys.stdin:
            if line.strip() == "stop":
                self._asked = True
                return
