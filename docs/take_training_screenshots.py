"""Take the screenshots of Train a model for the manual: a small net learns the sample's discs.

    python docs/take_training_screenshots.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x900x24"` will do.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

# napari's notices would cover the picture; the choice must not reach the user's own settings.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")

import napari
import numpy as np
from napari.settings import get_settings
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_medseg.widgets.parts.vertical_scroll import VerticalScrollArea
from napari_medseg.widgets.train_model import TrainModel

FOLDER = Path(tempfile.mkdtemp())
IMAGES = Path(__file__).resolve().parent / "images"
SIDE, COUNT = 96, 60
VALUES = {"data.size": "[64, 64]", "net.options": "{width = 8}", "optimiser.rate": "0.03"}


def write_cells(folder: Path) -> Path:
    """Draw round cells on a noisy ground, with their masks."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(COUNT):
        mask = np.zeros((SIDE, SIDE), bool)
        for _ in range(int(rng.integers(3, 7))):
            row, column = rng.integers(8, SIDE - 8, 2)
            mask |= np.hypot(rows - row, columns - column) < rng.uniform(6, 12)
        image = np.clip(90 + 50 * mask + rng.normal(0, 25, mask.shape), 0, 255)
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / f"{number:02d}.png")
        Image.fromarray(mask.astype(np.uint8)).save(folder / "masks" / f"{number:02d}.png")
    return folder


def settle(seconds: float = 0.5) -> None:
    """Let the window work for a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)


def main() -> None:
    """Look into the data, train, and take a picture of each."""
    get_settings().application.gui_notification_level = "error"
    viewer = napari.Viewer()
    viewer.window.resize(1280, 900)
    dock = TrainModel(viewer, FOLDER / "runs")
    viewer.window.add_dock_widget(dock, name="Train a model", area="right")
    dock.source.point_to(write_cells(FOLDER / "Cells"))
    while dock.source.look.is_running:
        settle(0.1)
    names = [dock.plan.recipes.itemData(i).name for i in range(dock.plan.recipes.count())]
    dock.plan.recipes.setCurrentIndex(names.index("unet"))
    dock.plan.recipes.activated.emit(dock.plan.recipes.currentIndex())
    for key, text in VALUES.items():
        dock.plan.form.editors[key].widget.setText(text)
        dock.plan.form.editors[key].widget.editingFinished.emit()
    dock.plan.form.editors["trainer.epochs"].widget.setValue(40)
    dock.plan.form.editors["trainer.batch_size"].widget.setValue(8)
    settle()
    viewer.screenshot(str(IMAGES / "train-1-plan.png"), canvas_only=False, flash=False)
    dock.plan.start_button.click()
    while dock.view.phase in ("new", "running", "stopping"):
        settle(0.5)
    dock.findChildren(VerticalScrollArea)[0].ensureWidgetVisible(dock.view.folder_button, 0, 0)
    settle()
    viewer.screenshot(str(IMAGES / "train-2-curves.png"), canvas_only=False, flash=False)
    viewer.close()


if __name__ == "__main__":
    main()
