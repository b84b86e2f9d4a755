"""The log of a run: `events.jsonl`, one JSON object per line, flushed to disk line by line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

EVENTS_FILE = "events.jsonl"
Echo = Callable[[Mapping[str, Any]], None]
"""Is told every event after it was written."""


class EventLog:
    """Appends events to a file, and tells them on."""

    def __init__(self, path: Path, *, echo: Echo | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._echo = echo

    def write(self, event: str, **values: Any) -> None:
        """Append one event with the present time, and wait until it is on the disk.

        It gets a line of its own, also where a killed process or a full disk left half a line.
        """
        content = {"event": event, "time": round(time.time(), 2), **values}
        with open(self._path, "a+b") as stream:
            begin = b"" if _ends_a_line(stream) else b"\n"
            stream.write(begin + json.dumps(content).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        if self._echo is not None:
            self._echo(content)


def _ends_a_line(stream: IO[bytes]) -> bool:
    """Say whether a file, open at its end, is empty or ends with a line break."""
    if not stream.tell():
        return True
    stream.seek(-1, os.SEEK_END)
    return stream.read(1) == b"\n"


def print_json(event: Mapping[str, Any]) -> None:
    """Print an event as a line of JSON on standard output."""
    print(json.dumps(event), flush=True)
