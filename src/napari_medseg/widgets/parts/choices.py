"""A list of choices, each a text that stands for a value."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtWidgets import QComboBox


def choice_box(choices: Mapping[str, object], tip: str = "") -> QComboBox:
    """Make a list of these texts; `currentData` is what the chosen one stands for."""
    box = QComboBox()
    for text, value in choices.items():
        box.addItem(text, value)
    box.setToolTip(tip)
    return box
