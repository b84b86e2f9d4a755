"""A file that grows by whole records, and of which a crash can cost at most the last one.

Every record is a head with lengths and a checksum, a note in JSON, and bytes. A reader takes
records as long as they are whole; what a killed process left half-written at the end is not read.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from napari_medseg.io.atomic import replacing

_MAGIC = b"MSJ1"
_HEAD = struct.Struct("<4sIII")  # magic, bytes of the note, bytes of the body, checksum of both


@dataclass(frozen=True)
class Record:
    """A note of what it is, and its bytes."""

    note: dict[str, Any]
    body: bytes = b""

    def packed(self) -> bytes:
        """Give what is written to the file."""
        note = json.dumps(self.note, separators=(",", ":")).encode()
        checksum = zlib.crc32(self.body, zlib.crc32(note))
        return _HEAD.pack(_MAGIC, len(note), len(self.body), checksum) + note + self.body


def read_records(path: Path) -> Iterator[Record]:
    """Read the records of a file up to the last whole one."""
    with path.open("rb") as stream:
        while True:
            record = _next_record(stream)
            if record is None:
                return
            yield record


class JournalFile:
    """A journal that is being written; one process alone writes it.

    Parameters
    ----------
    path : Path
        A file that does not exist yet, in a folder that does.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._stream: IO[bytes] | None = path.open("xb")

    def append(self, records: Iterable[Record]) -> None:
        """Write records and wait until the disk has them.

        Raises
        ------
        OSError
            If the disk is full or gone; the file holds what it held before.
        """
        stream = self._opened()
        content = b"".join(record.packed() for record in records)
        try:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        except OSError:
            with suppress(OSError):
                stream.close()
            self._stream = None
            with suppress(OSError):
                os.truncate(self.path, self.size)
            raise
        self.size += len(content)

    def rewrite(self, records: Iterable[Record]) -> None:
        """Put records in place of all that are there, at once or not at all.

        Raises
        ------
        OSError
            As `append`.
        """
        self.close()
        with replacing(self.path) as temporary, temporary.open("wb") as stream:
            for record in records:
                stream.write(record.packed())
        self.size = self.path.stat().st_size

    def close(self) -> None:
        """Close it; it can be appended to again."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def remove(self) -> None:
        """Delete the file."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _opened(self) -> IO[bytes]:
        if self._stream is None:
            self._stream = self.path.open("ab")
        return self._stream


def _next_record(stream: IO[bytes]) -> Record | None:
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    magic, note_size, body_size, checksum = _HEAD.unpack(head)
    if magic != _MAGIC:
        return None
    note, body = stream.read(note_size), stream.read(body_size)
    whole = len(note) == note_size and len(body) == body_size
    if not whole or zlib.crc32(body, zlib.crc32(note)) != checksum:
        return None
    return Record(json.loads(note), body)
