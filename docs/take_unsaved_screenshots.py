"""Take the pictures of labels that are never lost: ``python docs/take_unsaved_screenshots.py``."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from napari_medseg.session.journal.store import FOLDER_VARIABLE
from napari_medseg.widgets.parts.keeper.label_keeper import LabelKeeper
from napari_medseg.widgets.tour import Tour

IMAGES = Path(__file__).parent / "images"
PLANE = 7


def leave_unsaved() -> None:
    """Paint, add an example, and end without saving."""
    tour = Tour("cardiac_mr")
    tour.add_example(PLANE)
    LabelKeeper.of(tour.viewer).close()
    tour.close()


def come_back() -> None:
    """Open the same image again, restore, and lock a class."""
    tour = Tour("cardiac_mr", theme="light")
    restore = LabelKeeper.of(tour.viewer).restore
    until = time.monotonic() + 60
    while len(restore.offers) < 2 and time.monotonic() < until:
        tour.settle()
    tour.go_to(PLANE)
    tour.picture(IMAGES / "unsaved-1-offer.png")
    for _ in range(2):
        restore.accept(restore.offers[0])
    tour.dock.case.set_locked(2, True)
    tour.settle(1)
    tour.picture(IMAGES / "unsaved-2-restored.png")
    tour.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[FOLDER_VARIABLE] = folder
        leave_unsaved()
        come_back()
    print(f"Screenshots in {IMAGES}")
