"""The log of a run: `events.jsonl`, one JSON object per line, flushed to disk line by line."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any


class EventLog:
    """Appends events to a file and, if wished, echoes them to standard output."""

    def __init__(self, path: Path, *, echo: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._echo = echo

    def write(self, event: str, **values: Any) -> None:
        """Append one event with the present time, and wait until it is on the disk."""
        line = json.dumps({"event": event, "time": round(time.time(), 2), **values})
        with open(self._path, "a", encoding="utf-8") as stream:
            stream.write(line + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        if self._echo:
            print(line, flush=True)
