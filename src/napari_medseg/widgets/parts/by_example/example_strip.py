"""The examples as a strip of pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_medseg.session.by_example.examples import Entry
from napari_medseg.widgets.parts.thumbnails import thumbnail

PICTURE = 72
HARMFUL_BELOW = 0.5
"""A leave-one-out Dice under this marks an example that the others do not agree with."""


class ExampleStrip(QScrollArea):
    """One card per example: picture, name, leave-one-out Dice, and a button that removes it."""

    removed = Signal(int)
    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(PICTURE + 62)
        self._cards: list[ExampleCard] = []
        self._inside = QWidget()
        self._row = QHBoxLayout(self._inside)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)
        self._empty = QLabel("No examples yet: paint one plane, then press Add example.")
        self._empty.setWordWrap(True)
        self._row.addWidget(self._empty)
        self._row.addStretch()
        self.setWidget(self._inside)

    @property
    def cards(self) -> list[ExampleCard]:
        """The cards, in the order of the examples."""
        return list(self._cards)

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """Show these examples; a card whose example stayed is kept and only gets its new score."""
        known = {id(card.entry.example): card for card in self._cards}
        cards = []
        for index, entry in enumerate(entries):
            card = known.pop(id(entry.example), None) or ExampleCard(entry, self._inside)
            card.update_entry(entry, index)
            if card not in self._cards:
                card.removed.connect(self.removed)
                card.chosen.connect(self.chosen)
            cards.append(card)
        for card in known.values():
            self._row.removeWidget(card)
            card.hide()
            card.deleteLater()
        for index, card in enumerate(cards):
            self._row.insertWidget(index, card)
        grown = len(cards) > len(self._cards)
        self._cards = cards
        self._empty.setVisible(not cards)
        if grown:
            self._inside.adjustSize()
            self.ensureWidgetVisible(cards[-1])


class ExampleCard(QFrame):
    """One example."""

    removed = Signal(int)
    chosen = Signal(int)

    def __init__(self, entry: Entry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.entry = entry
        self.index = 0
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.picture = QLabel()
        self.picture.setFixedSize(PICTURE, PICTURE)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.picture.setPixmap(thumbnail(entry.example, PICTURE))
        self.name = QElidingLabel(entry.example.name)
        self.name.setElideMode(Qt.TextElideMode.ElideMiddle)
        self.name.setFixedWidth(PICTURE)
        self.score = QLabel()
        self.remove = QToolButton(self.picture)
        self.remove.setText("✕")
        self.remove.setFixedSize(18, 18)
        self.remove.move(PICTURE - 18, 0)
        self.remove.setToolTip("Remove this example; your paint stays")
        self.remove.clicked.connect(lambda: self.removed.emit(self.index))
        column = QVBoxLayout(self)
        column.setContentsMargins(3, 3, 3, 1)
        column.setSpacing(0)
        for part in (self.picture, self.name, self.score):
            column.addWidget(part)

    def update_entry(self, entry: Entry, index: int) -> None:
        """Take over a new place in the strip and a new score."""
        self.entry, self.index = entry, index
        name = entry.example.name or f"No. {index + 1}"
        self.name.setText(name)
        where = "Click to go to its plane. " if entry.origin else ""
        score = entry.score
        self.score.setVisible(True)
        if score is None or math.isnan(score):
            self.score.setText("" if score is None else "no other shows it")
            self.setToolTip(f"{name}. {where}")
        else:
            harmful = score < HARMFUL_BELOW
            self.score.setText(f"{'⚠' if harmful else 'Dice'} {score:.2f}")
            self.setToolTip(
                f"{name}. {where}The other examples predict it with a Dice of {score:.2f}"
                + (": they do not agree with it; check its paint or remove it." if harmful else ".")
            )

    def mouseReleaseEvent(self, event: object) -> None:
        """Go to its plane."""
        self.chosen.emit(self.index)
