"""The log of a run: `events.jsonl`, one JSON object per line, flushed to disk line by line."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

Echo = Callable[[Mapping[str, Any]], None]
"""Is told every event after it was written."""


class EventLog:
    """Appends events to a file, and tells them on."""

    def __init__(self, path: Path, *, echo: Echo | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._echo = echo

    def write(self, event: str, **values: Any) -> None:
        """Append one event with the present time, and wait until it is on the disk."""
        content = {"event": event, "time": round(time.time(), 2), **values}
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(content) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        if self._echo is not None:
            self._echo(content)


def print_json(event: Mapping[str, Any]) -> None:
    """Print an event as a line of JSON on standard output."""
    print(json.dumps(event), flush=True)
