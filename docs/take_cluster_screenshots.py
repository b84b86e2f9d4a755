"""Take the screenshots of Cluster one image and Measure and compare for the manual.

    python docs/take_cluster_screenshots.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x720x24"` will do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from window import IMAGES, open_window, press, settle

from napari_medseg.session.layers.colours import class_colormap
from napari_medseg.session.layers.geometry_of import geometry_of

if TYPE_CHECKING:
    from napari.viewer import Viewer


def opened(sample: str) -> Viewer:
    """Open a sample."""
    viewer = open_window()
    viewer.open_sample("napari-medseg", sample)
    return viewer


def cluster() -> None:
    """Cluster a photograph of skin and take the lesion."""
    viewer = opened("skin_lesions")
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
    viewer = opened("cardiac_mr")
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
