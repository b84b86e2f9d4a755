"""What the journal costs per stroke on a volume of 512 x 512 x 200, beside the stroke itself.

    python benchmarks/bench_journal.py

A stroke is a line of 300 pixels with a brush of 30, as napari's brush paints it. Counted apart are
what the journal does on the GUI thread, and the processor time of the thread that writes; waiting
for the disk is in neither. The same for Undo, after which the whole volume is looked through.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from napari.layers import Labels

from napari_medseg.session.journal.store import JournalStore
from napari_medseg.session.journal.writer import Journal

SHAPE = (200, 512, 512)
STROKES = 40


def main() -> None:
    """Paint, write, undo, write; print medians in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        layer = Labels(np.zeros(SHAPE, np.uint8))
        layer.brush_size = 30
        journal = Journal(JournalStore(Path(folder)), lambda labels: ("", ""))
        noting = _Clock(journal._on_paint)
        journal._on_paint = noting  # type: ignore[method-assign]
        journal._start = lambda: None  # type: ignore[method-assign]
        journal.watch(layer)
        stroke(layer, 0)
        first = cpu_of(journal.flush)
        strokes, writes = [], []
        for number in range(1, STROKES):
            strokes.append(cpu_of(lambda number=number: stroke(layer, number)))
            writes.append(cpu_of(journal.flush))
        layer.undo()
        undo = cpu_of(journal.flush)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.journal"))
        journal.close()
    own = statistics.median(noting.seconds)
    print(f"the stroke itself (napari)        {ms(statistics.median(strokes)):8.2f} ms")
    print(f"journal, GUI thread, per stroke   {ms(own):8.2f} ms")
    print(f"journal, writer, per stroke       {ms(statistics.median(writes)):8.2f} ms")
    print(f"journal, writer, first stroke     {ms(first):8.2f} ms")
    print(f"journal, writer, after Undo       {ms(undo):8.2f} ms")
    print(f"file, per stroke                  {size / STROKES / 1024:8.2f} KiB")


def stroke(layer: Labels, number: int) -> None:
    """Paint a line as one undo step."""
    with layer.block_history():
        for column in range(100, 400, 5):
            place = (number * 7 % SHAPE[0], 50 + number * 9, column)
            layer.paint(place, 1 + number % 4, refresh=False)


def cpu_of(work: Callable[[], object]) -> float:
    """Give the processor seconds of this thread."""
    start = time.thread_time()
    work()
    return time.thread_time() - start


def ms(seconds: float) -> float:
    """Give milliseconds."""
    return 1000 * seconds


class _Clock:
    """Times every call of a callback."""

    def __init__(self, callback: Callable[[object], None]) -> None:
        self._callback = callback
        self.seconds: list[float] = []

    def __call__(self, event: object) -> None:
        assert threading.current_thread() is threading.main_thread()
        start = time.perf_counter()
        self._callback(event)
        self.seconds.append(time.perf_counter() - start)


if __name__ == "__main__":
    main()
