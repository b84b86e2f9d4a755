"""Programs that paint into watched labels until they are killed: run by `test_journal`.

Arguments: a folder, and how many seconds after its first stroke each program is killed. The one
with number n keeps its journal in the folder n, and writes a checksum of the labels after every
stroke to n.txt.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from napari.layers import Labels

from napari_medseg.session.journal import writer as journal
from napari_medseg.session.journal.store import JournalStore

SHAPE = (20, 96, 90)


def paint(root: Path, seed: int) -> None:
    """Paint, undo and redo until the end."""
    journal.WAIT = 0.005
    layer = Labels(np.zeros(SHAPE, np.uint8), name="Smith, John 1950")
    layer.brush_size = 9
    writer = journal.Journal(JournalStore(root / str(seed)), lambda labels: ("image", "place"))
    writer.watch(layer)
    rng = np.random.default_rng(seed)
    with (root / f"{seed}.txt").open("w") as states:
        while True:
            stroke(layer, rng)
            print(zlib.crc32(layer.data), file=states, flush=True)
            time.sleep(0.002)


def stroke(layer: Labels, rng: np.random.Generator) -> None:
    """Paint once; now and then take it back, and now and then that."""
    with layer.block_history():
        layer.paint(tuple(rng.integers(0, SHAPE)), int(rng.integers(0, 5)))
    for turn in (layer.undo, layer.redo):
        if rng.random() < 0.2:
            turn()


def main(root: Path, seconds: list[float]) -> None:
    """Start and kill one program after the other; they share what was imported."""
    stroke(Labels(np.zeros(SHAPE, np.uint8)), np.random.default_rng(0))
    for seed, length in enumerate(seconds):
        states = root / f"{seed}.txt"
        states.touch()
        child = os.fork()
        if child == 0:
            paint(root, seed)
        while not states.stat().st_size:
            time.sleep(0.01)
        time.sleep(length)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [float(length) for length in sys.argv[2:]])
