"""Where the parts of the dock Segment with a model stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFormLayout, QGroupBox, QVBoxLayout, QWidget

from napari_medseg.widgets.parts.vertical_scroll import VerticalScrollArea

if TYPE_CHECKING:
    from napari_medseg.widgets.segment_with_model import SegmentWithModel


def lay_out(dock: SegmentWithModel) -> None:
    """Put the parts in the order in which they are used, from top to bottom."""
    inside = QWidget()
    column = QVBoxLayout(inside)
    column.setContentsMargins(4, 4, 4, 4)
    form = QFormLayout()
    form.addRow("Image", dock.images)
    form.addRow("Labels", dock.labels)
    column.addLayout(form)
    column.addWidget(dock.axes)
    column.addWidget(dock.runs.plane)
    column.addWidget(dock.runs.volume)
    group = QGroupBox("Model")
    models = QVBoxLayout(group)
    for part in (dock.cards, dock.zoo, dock.warning):
        models.addWidget(part)
    column.addWidget(group)
    column.addWidget(dock.options)
    column.addStretch()
    # The answers to a proposal, progress and messages stay in sight on a small screen.
    outer = QVBoxLayout(dock)
    outer.setContentsMargins(2, 0, 4, 4)
    scroll = VerticalScrollArea(inside)
    dock.options.toggled.connect(lambda _: scroll.show_later(dock.options))
    for part in (scroll, dock.answers, dock.progress, dock.message):
        outer.addWidget(part)
