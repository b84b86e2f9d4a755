"""Take the screenshots of Segment with a model for the manual.

    python docs/take_model_screenshots.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x720x24"` will do. It works with the bundled
models, on the synthetic sample of skin lesions.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

# napari's notices would cover the picture; none of this must reach the user's own settings.
os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")
os.environ["NAPARI_MEDSEG_MODELS"] = str(Path(tempfile.mkdtemp()) / "models")
os.environ["NAPARI_MEDSEG_JOURNAL"] = str(Path(tempfile.mkdtemp()) / "unsaved")

import napari
import torch
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication

from napari_medseg.widgets.parts.import_dialog import ImportDialog
from napari_medseg.zoo.architectures import build_net
from napari_medseg.zoo.inspection import inspect_checkpoint

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_medseg.widgets.parts.job_button import JobButton

SCRATCH = Path(tempfile.mkdtemp())
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


def checkpoint() -> Path:
    """Write a checkpoint such as authors publish; its weights are random."""
    torch.manual_seed(0)
    net = build_net("UNet", {"in_channels": 1, "n_classes": 4, "width": 8})
    path = SCRATCH / "heart_epoch_80.pth"
    torch.save({"state_dict": net.state_dict()}, path)
    return path


def window(theme: str = "dark") -> Viewer:
    """Open the photographs, without what is painted on one of them."""
    get_settings().application.gui_notification_level = "error"
    get_settings().appearance.theme = theme
    viewer = napari.Viewer()
    viewer.window.resize(1280, 720)
    viewer.open_sample("napari-medseg", "skin_lesions")
    for layer in [layer for layer in viewer.layers if layer.name.endswith(": labels")]:
        viewer.layers.remove(layer)
    viewer.dims.set_current_step(0, 5)
    return viewer


def picture(viewer: Viewer, name: str) -> None:
    """Take a picture of the whole window."""
    settle(1.0)
    viewer.screenshot(str(IMAGES / f"with-model-{name}.png"), canvas_only=False, flash=False)


def main() -> None:
    """Go through it from the cards to accepted labels."""
    viewer = window()
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment with a model")
    dock.show_zoo(choose="skin-lesion")
    picture(viewer, "1-cards")
    dialog = ImportDialog(inspect_checkpoint(checkpoint()), dock)
    dialog.classes.setText("right ventricle, myocardium, left ventricle")
    dialog.show()
    settle()
    dialog.grab().save(str(IMAGES / "with-model-2-import.png"))
    dialog.close()
    press(dock.runs.plane)
    picture(viewer, "3-proposal")
    dock.answers.accept()
    settle()
    dock.options.expand(animate=False)
    picture(viewer, "4-accepted")
    viewer.close()
    viewer = window("light")
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment with a model")
    dock.show_zoo(choose="skin-lesion")
    press(dock.runs.volume)
    picture(viewer, "5-light")
    viewer.close()


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    main()
    print(f"Screenshots in {IMAGES}")
