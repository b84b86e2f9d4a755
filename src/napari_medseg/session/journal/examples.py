"""The journal of the examples of a dock: each is written once, and then which there are."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from napari_medseg.engine.by_example.support import SupportExample
from napari_medseg.session.by_example.examples import Examples
from napari_medseg.session.journal.records import JournalFile, Record


class ExamplesJournal:
    """Writes down the examples of a session.

    Parameters
    ----------
    examples : Examples
        What the dock shows.
    """

    def __init__(self, examples: Examples) -> None:
        self.examples = examples
        self.is_due = False
        self.has_begun = False
        self._written: set[str] = set()

    def note(self) -> None:
        """Note that an example came or went, or that a class got another name."""
        self.is_due = self.is_due or self.has_begun or len(self.examples) > 0

    def write(self, file: JournalFile) -> None:
        """Write what has changed.

        Raises
        ------
        OSError
            If the disk is full or gone; after this and any other error the next call writes it all
            anew.
        """
        self.is_due = False
        try:
            file.append(self._records())
        except Exception:
            self._written, self.has_begun, self.is_due = set(), False, True
            raise

    def _records(self) -> Iterator[Record]:
        if not self.has_begun:
            self.has_begun = True
            yield Record({"kind": "examples", "version": 1})
        present = [entry.example for entry in self.examples.entries]
        for example in present:
            if example.content_hash not in self._written:
                self._written.add(example.content_hash)
                yield _record(example)
        names = list(self.examples.class_names)
        yield Record({"present": [e.content_hash for e in present], "class_names": names})


def _record(example: SupportExample) -> Record:
    image, mask = np.ascontiguousarray(example.image), np.ascontiguousarray(example.mask)
    limits = None if example.value_range is None else [float(v) for v in example.value_range]
    note: dict[str, Any] = {
        "example": example.content_hash,
        "shape": image.shape,
        "dtype": image.dtype.str,
        "value_range": limits,
    }
    return Record(note, zlib.compress(image.tobytes() + mask.tobytes(), 1))


def example_of(note: dict[str, Any], body: bytes, number: int) -> SupportExample:
    """Give an example as it was; its name, which may be a patient's, was not written."""
    content = zlib.decompress(body)
    shape, dtype = tuple(note["shape"]), np.dtype(note["dtype"])
    size = int(np.prod(shape)) * dtype.itemsize
    image = np.frombuffer(content[:size], dtype).reshape(shape)
    mask = np.frombuffer(content[size:], np.uint8).reshape(shape[:2])
    limits = note["value_range"]
    value_range = None if limits is None else (limits[0], limits[1])
    return SupportExample(image, mask, f"No. {number}", value_range)
