"""The choice of where a computation runs."""

from __future__ import annotations

from qtpy.QtWidgets import QComboBox

_DEVICES = {"Automatic": "auto", "Processor (CPU)": "cpu", "NVIDIA GPU": "cuda", "Apple GPU": "mps"}


def device_box() -> QComboBox:
    """Make a list of devices; `currentData` is what the engine calls the chosen one."""
    box = QComboBox()
    for text, device in _DEVICES.items():
        box.addItem(text, device)
    box.setToolTip("Where the computation runs")
    return box
