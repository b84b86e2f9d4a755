"""Take the screenshots of Segment with a model for the manual.

    python docs/take_model_screenshots.py

Needs a display; `xvfb-run -a -s "-screen 0 1280x720x24"` will do. It works with models of its own
in a folder that is thrown away: a small network that is fitted to the sample for some seconds.
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
import numpy as np
import torch
from napari.settings import get_settings
from qtpy.QtWidgets import QApplication

import medseg_samples
from napari_medseg.widgets.parts.import_dialog import ImportDialog
from napari_medseg.zoo.architectures import build_net
from napari_medseg.zoo.checkpoints import import_checkpoint
from napari_medseg.zoo.inspection import inspect_checkpoint

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_medseg.widgets.parts.job_button import JobButton

SCRATCH = Path(tempfile.mkdtemp())
IMAGES = Path(__file__).resolve().parent / "images"
STEPS, SIDE = 80, 64
OPTIONS = {"in_channels": 1, "n_classes": 4, "bilinear": True, "width": 8}
CHAMBERS = ("right ventricle", "myocardium", "left ventricle")


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


def fit_heart() -> Path:
    """Fit a small UNet to the sample heart, as a checkpoint such as authors publish."""
    layers = {layer[1]["name"]: layer[0] for layer in medseg_samples.cardiac_mr()}
    image = layers["Cardiac MR"]
    truth = next(data for name, data in layers.items() if "right answer" in name)
    planes = torch.from_numpy(np.asarray(image, np.float32))[:, None]
    low, high = np.percentile(image, (0.5, 99.5))
    planes = ((planes - low) / (high - low)).clip(0, 1)
    planes = torch.nn.functional.interpolate(planes, (SIDE, SIDE), mode="bilinear")
    wanted = torch.from_numpy(np.asarray(truth, np.float32))[:, None]
    wanted = torch.nn.functional.interpolate(wanted, (SIDE, SIDE))[:, 0].long()
    torch.manual_seed(0)
    net = build_net("UNet", OPTIONS).train()
    fit = torch.optim.AdamW(net.parameters(), 1e-2)
    rare = torch.tensor([0.1, 1.0, 1.0, 1.0])
    for _ in range(STEPS):
        fit.zero_grad()
        torch.nn.functional.cross_entropy(net(planes), wanted, rare).backward()
        fit.step()
    path = SCRATCH / "heart_epoch_80.pth"
    torch.save({"state_dict": net.state_dict()}, path)
    return path


def install(checkpoint: Path) -> None:
    """Import the checkpoint, and one of random weights for another kind of image."""
    told = {
        "title": "Heart chambers, short axis",
        "classes": CHAMBERS,
        "modalities": ("MRI, cardiac short axis (phantom)",),
        "input": {"size": [SIDE, SIDE]},
        "licence": "CC0",
        "description": "Made for this manual out of the sample image itself.",
        "not_for": "Any heart but the one in the sample: it has seen no other.",
        "results": {"summary": "not measured on other images"},
    }
    import_checkpoint(checkpoint, name="heart-chambers", **told)
    torch.manual_seed(0)
    torch.save(build_net("UNet", OPTIONS).state_dict(), SCRATCH / "other.pth")
    told |= {
        "title": "Organs on CT",
        "classes": ("liver", "spleen", "kidney"),
        "modalities": ("CT axial (abdomen)",),
        "description": "Random weights, for the picture alone.",
    }
    import_checkpoint(SCRATCH / "other.pth", name="organs", **told)


def window(theme: str = "dark") -> Viewer:
    """Open the heart, without the right answer."""
    get_settings().application.gui_notification_level = "error"
    get_settings().appearance.theme = theme
    viewer = napari.Viewer()
    viewer.window.resize(1280, 720)
    viewer.open_sample("napari-medseg", "cardiac_mr")
    for layer in [layer for layer in viewer.layers if layer.name != "Cardiac MR"]:
        viewer.layers.remove(layer)
    return viewer


def picture(viewer: Viewer, name: str) -> None:
    """Take a picture of the whole window."""
    settle(1.0)
    viewer.screenshot(str(IMAGES / f"with-model-{name}.png"), canvas_only=False, flash=False)


def main() -> None:
    """Go through it from the empty picker to accepted labels."""
    viewer = window()
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment with a model")
    picture(viewer, "1-empty")
    checkpoint = fit_heart()
    dialog = ImportDialog(inspect_checkpoint(checkpoint), dock)
    dialog.classes.setText(", ".join(CHAMBERS))
    dialog.show()
    settle()
    dialog.grab().save(str(IMAGES / "with-model-2-import.png"))
    dialog.close()
    install(checkpoint)
    dock.show_zoo(choose="heart-chambers")
    picture(viewer, "3-cards")
    press(dock.runs.volume)
    picture(viewer, "4-proposal")
    dock.answers.live.largest.setChecked(True)
    settle()
    dock.answers.accept()
    settle()
    dock.options.expand(animate=False)
    picture(viewer, "5-accepted")
    viewer.close()
    viewer = window("light")
    _, dock = viewer.window.add_plugin_dock_widget("napari-medseg", "Segment with a model")
    press(dock.runs.plane)
    picture(viewer, "6-light")
    viewer.close()


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    main()
    print(f"Screenshots in {IMAGES}")
