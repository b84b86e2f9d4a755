"""A scroll area that scrolls up and down only, and is as wide as what it holds needs."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QFrame, QScrollArea, QStyle, QWidget

_UNFOLDING_MS = 350


class VerticalScrollArea(QScrollArea):
    """Keeps its content from being cut off at the side, whatever font and theme do to it."""

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(content)
        content.installEventFilter(self)
        self._fit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the content when it grows."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize, QEvent.Type.Show):
            self._fit()
        return super().eventFilter(watched, event)

    def show_later(self, part: QWidget) -> None:
        """Scroll to a part of the content once it has unfolded."""
        timer = QTimer(self)  # of the area, so that it ends with it
        timer.setSingleShot(True)
        timer.timeout.connect(lambda: self.ensureWidgetVisible(part, 0, 0))
        timer.timeout.connect(timer.deleteLater)
        timer.start(_UNFOLDING_MS)

    def _fit(self) -> None:
        content = self.widget()
        if content is not None:
            bar = self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent, None, self)
            self.setMinimumWidth(content.minimumSizeHint().width() + bar)
