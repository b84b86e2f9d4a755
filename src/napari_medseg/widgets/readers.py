"""Opening files in a window: as without one, but asking which of several series is meant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from napari_medseg.io import layers
from napari_medseg.io.layers import LayerData

if TYPE_CHECKING:
    from napari_medseg.io.series import Series

NOTHING: list[tuple[None]] = [(None,)]
"""What a reader gives that has read, but for which there is nothing to show."""


def get_reader(path: str | Sequence[str]) -> Callable[[Any], list[Any]] | None:
    """Give the function that reads these files or folders, or None where one is not ours."""
    return None if layers.get_reader(path) is None else read


def read(path: str | Sequence[str]) -> list[LayerData] | list[tuple[None]]:
    """Read files or a folder into layers; of several series the person says which."""
    return layers.read_layers(path, _ask if _has_window() else None) or NOTHING


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
    from qtpy.QtWidgets import QApplication

    from napari_medseg.widgets.parts.series_dialog import SeriesDialog

    return SeriesDialog.ask(found, QApplication.activeWindow())
