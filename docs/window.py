"""What the scripts that take screenshots share: a window that is nobody's, and time for it to work.

Importing it leaves alone the settings, models and unsaved labels of whoever runs a script.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["NAPARI_CONFIG"] = str(Path(tempfile.mkdtemp()) / "settings.yaml")
os.environ["NAPARI_MEDSEG_MODELS"] = str(Path(tempfile.mkdtemp()) / "models")
os.environ["NAPARI_MEDSEG_JOURNAL"] = str(Path(tempfile.mkdtemp()) / "unsaved")

import napari
from napari.settings import get_settings
from qtpy.QtCore import QEventLoop, QTimer

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_medseg.widgets.parts.jobs.button import JobButton

IMAGES = Path(__file__).resolve().parent / "images"


def open_window(theme: str = "dark", size: tuple[int, int] = (1280, 720)) -> Viewer:
    """Open an empty window that shows no notices."""
    get_settings().application.gui_notification_level = "error"
    get_settings().appearance.theme = theme
    viewer = napari.Viewer()
    viewer.window.resize(*size)
    return viewer


def settle(seconds: float = 0.5) -> None:
    """Let the window work for a while."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec_() if hasattr(loop, "exec_") else loop.exec()


def press(button: JobButton, until: Callable[[], bool] = lambda: False) -> None:
    """Press a button and wait until its job is over, or until something is true."""
    button.click()
    while button.is_running and not until():
        settle(0.02)
    settle()


def picture(viewer: Viewer, name: str, wait: float = 1.0) -> None:
    """Take a picture of the whole window, once it has had some seconds to show everything."""
    IMAGES.mkdir(exist_ok=True)
    settle(wait)
    viewer.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False, flash=False)


def picture_of(widget: QWidget, name: str) -> None:
    """Take a picture of a dialog."""
    IMAGES.mkdir(exist_ok=True)
    settle()
    widget.grab().save(str(IMAGES / f"{name}.png"))
