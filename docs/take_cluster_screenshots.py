"""Take the screenshots of Cluster one image and Measure and compare for the manual.

    python docs/take_cluster_screenshots.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x720x24"` will do.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

# napari's notices would cover the picture; the choice must not reach the user's own settings.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

import napari
import numpy as np
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication

from napari_medseg.session.colours import class_colormap
from napari_medseg.session.geometry_of import geometry_of

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_medseg.widgets.parts.job_button import JobButton

IMAGES = Path(__file__).resolve().parent / "images"


def settle(seconds: float = 0.5) -> None:
    """Let the window work for a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)


def press(button: JobButton, until: Callable[[], bool] = lambda: False) -> None:
    """Press a button and wait until its job is over, or until something is true."""
    button.click()
    while button.is_running and not until():
        settle(0.02)
    settle()


def window(sample: str) -> Viewer:
    """Open a sample."""
    get_settings().application.gui_notification_level = "error"
    viewer = napari.Viewer()
    viewer.window.resize(1280, 720)
    viewer.open_sample("napari-medseg", sample)
    return viewer


def cluster() -> None:
    """Cluster a photograph of skin and take the lesion."""
    viewer = window("skin_lesions")
    painted = next(layer for layer in viewer.layers if layer.name.endswith(": labels"))
    viewer.layers.remove(painted)
    viewer.dims.set_current_step(0, 3)
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Cluster one image")
    press(dock.run, until=lambda: dock.clusters is not None)
    viewer.screenshot(str(IMAGES / "cluster-1-watch.png"), canvas_only=False, flash=False)
    dock.run.cancel()
    while dock.run.is_running:
        settle(0.02)
    dock.details.method.setCurrentIndex(dock.details.method.findData("kmeans"))
    press(dock.run)
    middle = tuple(length // 2 for length in dock.clusters.labels.shape)
    dock.take(*middle)
    while dock.pick.is_running:
        settle(0.02)
    settle()
    viewer.screenshot(str(IMAGES / "cluster-2-click.png"), canvas_only=False, flash=False)
    viewer.close()


def measure() -> None:
    """Measure the chambers of a heart, and compare a shifted copy with them."""
    viewer = window("cardiac_mr")
    right = next(layer for layer in viewer.layers if "right answer" in layer.name)
    right.visible, right.colormap = True, class_colormap()
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Measure and compare")
    dock.measure.labels.picked.emit(right)
    press(dock.measure.run)
    dock.measure.go_to(1)
    settle()
    viewer.screenshot(str(IMAGES / "measure-1-table.png"), canvas_only=False, flash=False)
    shifted = np.roll(right.data, 3, axis=-1)
    mine = viewer.add_labels(shifted, name="prediction", visible=False, **geometry_of(right))
    right.visible = False
    dock.tabs.setCurrentWidget(dock.compare)
    dock.compare.predictions.picked.emit(mine)
    dock.compare.references.picked.emit(right)
    press(dock.compare.run)
    viewer.screenshot(str(IMAGES / "measure-2-compare.png"), canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    cluster()
    measure()
    print(f"Screenshots in {IMAGES}")
