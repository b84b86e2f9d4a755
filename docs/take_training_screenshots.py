"""Take the screenshots of Train a model for the manual: a small net learns the sample's discs.

    python docs/take_training_screenshots.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x900x24"` will do.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from window import open_window, picture, settle

from napari_medseg.widgets.parts.vertical_scroll import VerticalScrollArea
from napari_medseg.widgets.train_model import TrainModel

FOLDER = Path(tempfile.mkdtemp())
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


def main() -> None:
    """Look into the data, train, and take a picture of each."""
    viewer = open_window(size=(1280, 900))
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
    picture(viewer, "train-1-plan")
    dock.plan.start_button.click()
    while dock.view.phase in ("new", "running", "stopping"):
        settle(0.5)
    dock.findChildren(VerticalScrollArea)[0].ensureWidgetVisible(dock.view.folder_button, 0, 0)
    picture(viewer, "train-2-curves")
    viewer.close()


if __name__ == "__main__":
    main()
