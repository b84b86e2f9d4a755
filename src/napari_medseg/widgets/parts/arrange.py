"""How parts of a dock stand beside and under each other."""

from __future__ import annotations

from qtpy.QtWidgets import QFormLayout, QGroupBox, QHBoxLayout, QLayout, QVBoxLayout, QWidget

Part = QWidget | QLayout


def row(*widgets: QWidget) -> QWidget:
    """Put widgets beside each other."""
    layout = QHBoxLayout()
    for widget in widgets:
        layout.addWidget(widget)
    return held(layout)


def column(*parts: Part) -> QWidget:
    """Put parts under each other."""
    layout = QVBoxLayout()
    fill(layout, *parts)
    return held(layout)


def held(layout: QLayout) -> QWidget:
    """Give a widget that holds a layout, without margins."""
    holder = QWidget()
    holder.setLayout(layout)
    layout.setContentsMargins(0, 0, 0, 0)
    return holder


def form(*rows: tuple[str | QWidget | None, Part]) -> QFormLayout:
    """Put widgets under each other, each with its name before it.

    One whose name is empty has the full width; one whose name is None stands below the one above.
    """
    layout = QFormLayout()
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    for name, part in rows:
        if name is None:
            layout.addRow("", part)
        elif name:
            layout.addRow(name, part)
        else:
            layout.addRow(part)
    return layout


def group(title: str, *parts: Part) -> QGroupBox:
    """Put parts under each other in a box with a title."""
    box = QGroupBox(title)
    fill(QVBoxLayout(box), *parts)
    return box


def fill(layout: QVBoxLayout, *parts: Part) -> None:
    """Put parts under each other into a layout."""
    for part in parts:
        if isinstance(part, QWidget):
            layout.addWidget(part)
        else:
            layout.addLayout(part)
