"""Opening files in a window: as without one, but asking which of several series is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from napari_medseg.io import layers
from napari_medseg.io.findings import hearing
from napari_medseg.io.layers import LayerData

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

    from napari_medseg.io.formats.dicom.series import Series

_LATER = 300  # ms
NOTHING: list[tuple[None]] = [(None,)]
"""What a reader gives that has read, but for which there is nothing to show."""


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[Any]] | None:
    """Give the function that reads these files or folders, or None where one is not ours."""
    return None if layers.get_reader(path) is None else read


def read(path: str | Sequence[str]) -> list[LayerData] | list[tuple[None]]:
    """Read files or a folder into layers; of several series the person says which.

    Segmentations that come without their image lie on one that is open already, where they fit.
    """
    if not _has_window():
        return layers.read_layers(path) or NOTHING
    with hearing() as sentences:
        data = _read_beside(path)
    _tell_later(sentences)
    return data or NOTHING


def _read_beside(path: str | Sequence[str]) -> list[LayerData]:
    from napari import current_viewer

    from napari_medseg.session.layers.opened_images import beside_images, opened_images

    viewer = current_viewer()
    open_layers = [] if viewer is None else list(viewer.layers)
    return beside_images(layers.read_layers(path, _ask, opened_images(open_layers)), open_layers)


def _tell_later(sentences: list[str]) -> None:
    """Show notices once the layers are there: the sliders that come with them would cover part."""
    from napari.utils.notifications import show_warning
    from qtpy.QtCore import QTimer

    if sentences:
        QTimer.singleShot(_LATER, lambda: [show_warning(sentence) for sentence in sentences])


def _has_window() -> bool:
    try:
        from qtpy.QtWidgets import QApplication
    except ImportError:
        return False
    application = QApplication.instance()
    return application is not None and any(
        window.isVisible() for window in QApplication.topLevelWidgets()
    )


def _ask(found: Sequence[Series]) -> Series | None:
    from napari_medseg.widgets.parts.series_dialog import SeriesDialog

    return SeriesDialog.ask(found, _window())


def _window() -> QWidget | None:
    """Give the window to ask in: the active one, or ours where another program is in front.

    A folder that is dropped comes from a file manager, which is then the active program.
    """
    from qtpy.QtWidgets import QApplication, QMainWindow

    active: QWidget | None = QApplication.activeWindow()
    ours = (w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow))
    return active or next((window for window in ours if window.isVisible()), None)
