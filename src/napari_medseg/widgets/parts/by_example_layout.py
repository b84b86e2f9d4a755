"""Where the parts of the dock Segment by example stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFormLayout, QGroupBox, QHBoxLayout, QVBoxLayout, QWidget

from napari_medseg.widgets.parts.vertical_scroll import VerticalScrollArea

if TYPE_CHECKING:
    from napari_medseg.widgets.segment_by_example import SegmentByExample


def lay_out(dock: SegmentByExample) -> None:
    """Put the parts in the order in which they are used, from top to bottom."""
    inside = QWidget()
    column = QVBoxLayout(inside)
    column.setContentsMargins(4, 4, 4, 4)
    form = QFormLayout()
    form.addRow("Image", dock.images)
    form.addRow("Labels", _row(dock.labels, dock.new_button))
    column.addLayout(form)
    column.addWidget(dock.copy_offer)
    column.addWidget(dock.classes)
    column.addWidget(
        _group(
            "Examples",
            dock.strip,
            dock.jobs.add,
            _row(dock.jobs.save, dock.jobs.load, dock.jobs.check),
            dock.adaptation,
        )
    )
    column.addWidget(_group("Predict", dock.jobs.plane, dock.jobs.volume, dock.jobs.next_plane))
    column.addWidget(dock.approved)
    column.addWidget(dock.details)
    column.addStretch()
    # The answers to a proposal, progress and messages stay in sight on a small screen.
    outer = QVBoxLayout(dock)
    outer.setContentsMargins(2, 0, 4, 4)
    scroll = VerticalScrollArea(inside)
    dock.details.toggled.connect(lambda _: scroll.show_later(dock.details))
    for part in (scroll, dock.panel, dock.progress, dock.message):
        outer.addWidget(part)


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return row


def _group(title: str, *widgets: QWidget) -> QGroupBox:
    group = QGroupBox(title)
    layout = QVBoxLayout(group)
    for widget in widgets:
        layout.addWidget(widget)
    return group
