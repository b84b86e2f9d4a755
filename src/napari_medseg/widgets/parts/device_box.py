"""The choice of where a computation runs."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox

from napari_medseg.session.settings import Settings, settings, settings_changed
from napari_medseg.widgets.parts.farewell import Farewell

DEVICES = {"Automatic": "auto", "Processor (CPU)": "cpu", "NVIDIA GPU": "cuda", "Apple GPU": "mps"}


class DeviceBox(QComboBox):
    """A list of devices that starts with the one of the settings, and follows them.

    `currentData` is what the engine calls the chosen one.
    """

    def __init__(self) -> None:
        super().__init__()
        for text, device in DEVICES.items():
            self.addItem(text, device)
        self.setToolTip("Where the computation runs")
        self.show_device(settings().device)
        settings_changed.connect(self._follow)
        self._farewell = Farewell(self, self._let_go)

    def show_device(self, device: str) -> None:
        """Choose a device, listed or not, by what the engine calls it."""
        if self.findData(device) < 0:
            self.addItem(device, device)
        self.setCurrentIndex(self.findData(device))

    def _follow(self, now: Settings) -> None:
        self.show_device(now.device)

    def _let_go(self) -> None:
        settings_changed.disconnect(self._follow)
