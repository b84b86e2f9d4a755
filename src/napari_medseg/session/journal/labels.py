"""The journal of one labels layer: what its array holds, block by block, as it changes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medseg.io.notes import plain
from napari_medseg.session.journal.blocks import Block, BlockGrid
from napari_medseg.session.journal.records import JournalFile, Record
from napari_medseg.session.layers.geometry_of import geometry_of
from napari_medseg.session.layers.notes import notes_of
from napari_medseg.session.strokes import boxes_of

if TYPE_CHECKING:
    from napari.layers import Labels

_REWRITE_ABOVE = 16 * 2**20
_NOTES = ("class_names", "approved", "locked_classes", "geometry")


class LabelsJournal:
    """Notes strokes on the GUI thread, at no cost, and writes them down in another.

    The blocks that a stroke touched are compared with what was written of them by a checksum.
    After anything else that may have changed the array, such as Undo, all blocks are.

    Parameters
    ----------
    layer : napari Labels
        The user's labels.
    image_of : callable
        Gives the hash of the image's pixels and of its file's place, when the first stroke is
        written; it is called in the writer's thread.
    """

    def __init__(self, layer: Labels, image_of: Callable[[Labels], tuple[str, str]]) -> None:
        self.layer = layer
        self.changes = 0
        self._image_of = image_of
        self._strokes: list[Any] = []
        self._everything = False
        self._notes_changed = False
        self._form: tuple[tuple[int, ...], str] | None = None
        self._grid = BlockGrid(())
        self._written: dict[Block, int] = {}
        self._notes: dict[str, Any] = {}
        self._rewritten_at = 0

    @property
    def is_due(self) -> bool:
        """Whether there is something to look at."""
        return self._everything or bool(self._strokes) or self._notes_changed

    @property
    def has_begun(self) -> bool:
        """Whether anything was written."""
        return self._form is not None

    def note_stroke(self, stroke: Any) -> None:
        """Note what the event ``paint`` brought."""
        self.changes += 1
        self._strokes.append(stroke)

    def note_anything(self) -> None:
        """Note that any part of the array may have changed."""
        self.changes += 1
        self._everything = True

    def note_notes(self) -> None:
        """Note that names or locks have changed; they matter where paint was written."""
        self._notes_changed = self.has_begun

    def write(self, file: JournalFile) -> None:
        """Write what has changed.

        Raises
        ------
        OSError
            If the disk is full or gone; after this and any other error the next call writes it all
            anew.
        """
        try:
            records = list(self._records())
            if records:
                file.append(records)
            if file.size > max(_REWRITE_ABOVE, 4 * self._rewritten_at):
                self._written = {}
                self._form = None
                self._everything = True
                file.rewrite(self._records())
                self._rewritten_at = file.size
        except Exception:
            self._form = None
            self._everything = True
            raise

    def _records(self) -> Iterator[Record]:
        strokes, self._strokes = self._strokes, []
        everything, self._everything = self._everything, False
        data = self.layer.data
        form = (tuple(int(n) for n in data.shape), np.dtype(data.dtype).str)
        if form != self._form:
            yield self._begin(form)
            everything = True
        blocks = self._grid.all() if everything else self._touched(strokes)
        for block in blocks:
            part = np.ascontiguousarray(data[self._grid.box(block)]).data
            checksum = zlib.crc32(part)
            if self._written.get(block, _zeros(part.nbytes)) != checksum:
                self._written[block] = checksum
                yield Record({"block": block}, zlib.compress(part, 1))
        self._notes_changed = False
        notes = self._present_notes()
        if notes != self._notes:
            self._notes = notes
            yield Record({"notes": notes})

    def _begin(self, form: tuple[tuple[int, ...], str]) -> Record:
        image, place = self._image_of(self.layer)
        self._form, self._grid, self._written, self._notes = form, BlockGrid(form[0]), {}, {}
        return Record(
            {
                "kind": "labels",
                "version": 1,
                "shape": form[0],
                "dtype": form[1],
                "image": image,
                "place": place,
                "layer": _geometry(self.layer),
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )

    def _touched(self, strokes: Iterable[Any]) -> set[Block]:
        shape = self._grid.shape
        boxes = {_key(box): box for stroke in strokes for box in boxes_of(stroke, shape)}
        return {block for box in boxes.values() for block in self._grid.within(box)}

    def _present_notes(self) -> dict[str, Any]:
        noted = notes_of(self.layer)
        return {name: plain(noted[name]) for name in _NOTES if noted.get(name)}


@cache
def _zeros(size: int) -> int:
    """Give the checksum of as many zeros: blocks that were never painted are not written."""
    return zlib.crc32(bytes(size))


def _key(box: tuple[slice, ...]) -> tuple[tuple[int, int], ...]:
    return tuple((side.start, side.stop) for side in box)


def _geometry(layer: Labels) -> dict[str, Any]:
    placed = geometry_of(layer)
    names = ("scale", "translate", "rotate", "shear")
    return {
        **{name: np.asarray(placed[name]).tolist() for name in names},
        "affine": np.asarray(placed["affine"].affine_matrix).tolist(),
        "units": [str(unit) for unit in placed["units"]],
        "axis_labels": list(placed["axis_labels"]),
    }
