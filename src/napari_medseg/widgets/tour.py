"""Plays the main job on a sample, as a person would, and takes a picture of the window.

``python -m napari_medseg.widgets.tour OUT.png`` is what ``./medseg run`` does without a display;
the manual's screenshots are taken by the same steps.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QApplication

from napari_medseg.session.journal.store import FOLDER_VARIABLE

if TYPE_CHECKING:
    from napari.layers import Labels
    from napari.viewer import Viewer

    from napari_medseg.widgets.parts.jobs.button import JobButton
    from napari_medseg.widgets.segment_by_example import SegmentByExample

LONGEST_JOB_S = 600.0


class Tour:
    """A window with the dock and a sample, and the steps of the main job.

    Parameters
    ----------
    sample : str
        Key of a sample of this package.
    size : tuple of int
        Width and height of the window in pixels.
    theme : str
        ``"dark"`` or ``"light"``.
    """

    def __init__(
        self, sample: str = "cardiac_mr", size: tuple[int, int] = (1280, 720), theme: str = "dark"
    ) -> None:
        import napari

        # What is painted here is nobody's work, and must not be offered to anybody.
        self._unsaved = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        os.environ.setdefault(FOLDER_VARIABLE, self._unsaved.name)
        self.viewer: Viewer = napari.Viewer()
        self.viewer.theme = theme
        self.viewer.window.resize(*size)
        self.viewer.open_sample("napari-medseg", sample)
        _, dock = self.viewer.window.add_plugin_dock_widget("napari-medseg", "Segment by example")
        self.dock: SegmentByExample = dock
        self.truth = _right_answer(self.viewer)
        self.settle()

    def settle(self, seconds: float = 0.3) -> None:
        """Let the window draw."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            QApplication.processEvents()
            time.sleep(0.01)

    def go_to(self, plane: int) -> None:
        """Move the slider."""
        self.viewer.dims.set_current_step(0, plane)
        self.settle()

    def paint(self, plane: int) -> None:
        """Paint a plane as the right answer has it, in one stroke."""
        self.go_to(plane)
        labels = self.dock.case.labels
        if labels is None:
            self.dock.new_button.click()
            labels = self.dock.case.labels
        assert labels is not None
        rows, columns = np.nonzero(self.truth[plane])
        where = (np.full(rows.size, plane), rows, columns)
        labels.data_setitem(where, self.truth[plane][rows, columns])
        self.settle()

    def add_example(self, plane: int) -> None:
        """Paint a plane and add it."""
        self.paint(plane)
        self.press(self.dock.jobs.add)

    def press(self, button: JobButton, until: Callable[[], bool] | None = None) -> None:
        """Press a button and wait until its job is over, or until something else is true.

        Raises
        ------
        RuntimeError
            If the job fails or takes too long.
        """
        failures: list[str] = []
        button.failed.connect(failures.append)
        button.click()
        self.wait_for(button, until)
        button.failed.disconnect(failures.append)
        if failures:
            raise RuntimeError(failures[0])

    def wait_for(self, button: JobButton, until: Callable[[], bool] | None = None) -> None:
        """Wait until the job of a button is over, or until something else is true.

        Raises
        ------
        RuntimeError
            If it takes too long.
        """
        deadline = time.monotonic() + LONGEST_JOB_S
        while button.is_running and not (until and until()):
            self.settle(0.02)
            if time.monotonic() > deadline:
                raise RuntimeError(f"“{button.title}” took too long.")
        self.settle()

    def dice(self, plane: int) -> float:
        """Give the Dice of what is proposed on a plane, foreground against foreground."""
        proposal = self.dock.case.proposal
        found = proposal.labels(plane) > 0 if proposal is not None else np.zeros(1, bool)
        truth = self.truth[plane] > 0
        return float(2 * (found & truth).sum() / max(1, found.sum() + truth.sum()))

    def dice_of_all(self) -> list[float]:
        """Give the Dice of every proposed plane on which there is something to find."""
        proposal = self.dock.case.proposal
        positions = [] if proposal is None else proposal.positions
        return [self.dice(plane) for plane in positions if self.truth[plane].any()]

    def picture(self, path: str | Path) -> Path:
        """Take a picture of the whole window."""
        self.settle(0.5)
        # What napari has to say about itself is not part of the picture.
        for widget in QApplication.allWidgets():
            if type(widget).__name__ == "NapariQtNotification":
                widget.close()
        self.settle(0.5)
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        return Path(path)

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()


def main(arguments: list[str] | None = None) -> int:
    """Play the main job and write a picture; gives the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if len(arguments) != 1:
        print("usage: python -m napari_medseg.widgets.tour OUT.png", file=sys.stderr)
        return 2
    tour = Tour()
    n_planes = len(tour.truth)
    middle = n_planes // 2
    for plane in (middle - 2, middle + 2):
        tour.add_example(plane)
    tour.go_to(middle)
    tour.press(tour.dock.jobs.volume)
    scores = tour.dice_of_all()
    path = tour.picture(arguments[0]).resolve()
    tour.close()
    print(
        f"Two painted planes, {n_planes - 2} predicted; Dice over the {len(scores)} that show the "
        f"structure: mean {np.mean(scores):.2f}, lowest {min(scores):.2f}"
    )
    print(f"Screenshot: {path}")
    return 0


def _right_answer(viewer: Viewer) -> np.ndarray:
    answers = [layer for layer in viewer.layers if "right answer" in layer.name]
    layer: Labels = answers[0]
    return np.asarray(layer.data)


if __name__ == "__main__":
    sys.exit(main())
