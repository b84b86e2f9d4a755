"""How parts of a dock stand beside and under each other."""

from __future__ import annotations

from qtpy.QtWidgets import QFormLayout, QGroupBox, QHBoxLayout, QLayout, QVBoxLayout, QWidget

Part = QWidget | QLayout


def row(*widgets: QWidget) -> QWidget:
    """Put widgets beside each other."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return holder


def form(*rows: tuple[str | QWidget, Part]) -> QFormLayout:
    """Put widgets under each other, each with its name before it; without a name at full width."""
    layout = QFormLayout()
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for name, part in rows:
        if name:
            layout.addRow(name, part)
        else:
            layout.addRow(part)
    return layout


def group(title: str, *parts: Part) -> QGroupBox:
    """Put parts under each other in a box with a title."""
    box = QGroupBox(title)
    fill(QVBoxLayout(box), *parts)
    return box


def fill(column: QVBoxLayout, *parts: Part) -> None:
    """Put parts under each other into a column."""
    for part in parts:
        if isinstance(part, QWidget):
            column.addWidget(part)
        else:
            column.addLayout(part)
