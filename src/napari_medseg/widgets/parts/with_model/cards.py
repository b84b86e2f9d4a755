"""The zoo as cards: what a model finds, on what, how good, under which terms; one is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from qtpy.QtCore import QEvent, Qt, QTimer, Signal
from qtpy.QtGui import QFocusEvent, QKeyEvent, QMouseEvent
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_medseg.session.with_model.card_fit import Fit, Rank
from napari_medseg.session.with_model.card_words import (
    finds,
    how_good,
    input_words,
    matches,
    size_words,
    source_words,
    state_words,
    works_on,
)
from napari_medseg.widgets.parts.messages import small_print
from napari_medseg.widgets.parts.vertical_scroll import VerticalScrollArea
from napari_medseg.zoo.cards import ModelCard

EMPTY = (
    "No model is installed yet that segments without examples. Import… a checkpoint (UniverSeg, "
    "ConDSeg, SelfReg UNet or SwinUNet) or a model folder, choose a card below that can be "
    "downloaded, or make a model of your own: Plugins > MedSeg > Train a model."
)
NOTHING_FOUND = "No model has all these words on its card."
_LEAST_HEIGHT = 250
_UNFOLDING_MS = 50
_STYLE = """
#medseg_card {{ border: {width}px solid {colour}; border-radius: 5px; }}
"""
_CHOSEN, _PLAIN = "#3d8bd4", "#80808080"
_SIGNS = {Rank.FITS: "✓ ", Rank.UNFIT: "⚠ "}


class ModelCardView(QFrame):
    """One card: three lines, and everything else when it is chosen."""

    clicked = Signal(str)
    moved = Signal(int)
    """An arrow key asks for the card above (-1) or below (1)."""

    def __init__(
        self, card: ModelCard, fit: Fit, title: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.card, self.fit, self.title = card, fit, title
        self.setObjectName("medseg_card")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(title)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 5, 8, 5)
        layout.setSpacing(2)
        layout.addLayout(self._head())
        layout.addWidget(_line(f"<b>Finds</b> {escape(finds(card))}"))
        layout.addWidget(_line(f"<b>On</b> {escape(works_on(card))}"))
        if fit.reason:
            layout.addWidget(_line(f"<i>{_SIGNS.get(fit.rank, '')}{escape(fit.reason)}</i>"))
        self.more = _line("<br>".join(_facts(card)))
        layout.addWidget(self.more)
        self.set_chosen(False)

    def set_chosen(self, chosen: bool) -> None:
        """Show everything, with a frame around it; or the few lines."""
        self.chosen = chosen
        self.more.setVisible(chosen)
        self._frame()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose it."""
        self.clicked.emit(self.card.name)
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose it with Enter or Space, go to others with the arrows."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit(self.card.name)
        elif event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.moved.emit(1 if event.key() == Qt.Key.Key_Down else -1)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show that keys go here."""
        self._frame()
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show that keys go elsewhere."""
        self._frame()
        super().focusOutEvent(event)

    def _head(self) -> QHBoxLayout:
        head = QHBoxLayout()
        head.addWidget(_line(f"<b>{escape(self.title)}</b>"), 1)
        state = QLabel(state_words(self.card))
        state.setEnabled(False)
        head.addWidget(state, 0, Qt.AlignmentFlag.AlignTop)
        return head

    def _frame(self) -> None:
        colour = _CHOSEN if self.chosen or self.hasFocus() else _PLAIN
        self.setStyleSheet(_STYLE.format(width=2 if self.chosen else 1, colour=colour))


class ModelCards(QWidget):
    """All cards in a list that can be searched."""

    chosen_changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search organs, images, names")
        self.search.setClearButtonEnabled(True)
        self.empty = small_print()
        self.views: list[ModelCardView] = []
        self._chosen = ""
        self._chosen_by_user = False
        self._has_usable = False
        inside = QWidget()
        self._column = QVBoxLayout(inside)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self._column.addWidget(self.empty)
        self._column.addStretch()
        self.scroll = VerticalScrollArea(inside)
        self.scroll.setMinimumHeight(_LEAST_HEIGHT)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.search)
        layout.addWidget(self.scroll)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_UNFOLDING_MS)
        self._timer.timeout.connect(self._scroll_to_chosen)
        self.search.textChanged.connect(self._filter)

    @property
    def chosen(self) -> ModelCard | None:
        """The chosen card, also where the search hides it; None if there is none."""
        return next((view.card for view in self.views if view.card.name == self._chosen), None)

    @property
    def shown(self) -> list[ModelCardView]:
        """The cards in sight, from top to bottom."""
        return [view for view in self.views if not view.isHidden()]

    def show_models(self, judged: Sequence[tuple[ModelCard, Fit]]) -> None:
        """Show these cards in this order.

        What the user has chosen stays; otherwise the first is chosen that is known to fit and can
        be used at once, or none.
        """
        if [(view.card, view.fit) for view in self.views] == list(judged):
            return
        for view in self.views:
            self._column.removeWidget(view)
            view.deleteLater()
        titles = _told_apart([card for card, _ in judged])
        self.views = [
            ModelCardView(card, fit, title)
            for (card, fit), title in zip(judged, titles, strict=True)
        ]
        for index, view in enumerate(self.views):
            view.clicked.connect(self.choose)
            view.moved.connect(lambda step, view=view: self._move(view, step))
            self._column.insertWidget(1 + index, view)
        usable = [
            view
            for view in self.views
            if view.card.kind == "pretrained" and view.card.state == "present"
        ]
        self._chosen_by_user = self._chosen_by_user and self.chosen is not None
        if not self._chosen_by_user:
            fitting = (view.card.name for view in usable if view.fit.rank is Rank.FITS)
            self._chosen = next(fitting, "")
        self._has_usable = bool(usable)
        self._filter()
        self._mark()

    def choose(self, name: str) -> None:
        """Choose a model, as the user does."""
        self._chosen_by_user = True
        if name != self._chosen:
            self._chosen = name
            self._mark()

    def changeEvent(self, event: QEvent) -> None:
        """Keep the frames when the theme changes."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self.scroll.viewport().update()

    def _mark(self) -> None:
        for view in self.views:
            view.set_chosen(view.card.name == self._chosen)
        self._timer.start()
        self.chosen_changed.emit()

    def _scroll_to_chosen(self) -> None:
        """Bring the chosen card to the top, once it has unfolded."""
        chosen = next((view for view in self.shown if view.chosen), None)
        if chosen is not None:
            self.scroll.verticalScrollBar().setValue(chosen.y())

    def _filter(self) -> None:
        searched = self.search.text()
        for view in self.views:
            view.setVisible(matches(view.card, searched))
        self._tell_empty()

    def _tell_empty(self) -> None:
        text = "" if self._has_usable else EMPTY
        if self.search.text().strip() and not self.shown:
            text = NOTHING_FOUND
        self.empty.setText(text)
        self.empty.setVisible(bool(text))

    def _move(self, view: ModelCardView, step: int) -> None:
        shown = self.shown
        at = shown.index(view) + step
        if 0 <= at < len(shown):
            shown[at].setFocus(Qt.FocusReason.TabFocusReason)
            self.choose(shown[at].card.name)


def _told_apart(cards: Sequence[ModelCard]) -> list[str]:
    """Give what each card is called; where several have one title, with their names in the zoo."""
    titles = [card.title for card in cards]
    return [
        card.title if titles.count(card.title) == 1 else f"{card.title} ({card.name})"
        for card in cards
    ]


def _facts(card: ModelCard) -> list[str]:
    facts = {
        "How good": how_good(card),
        "Not for": card.not_for,
        "What it does": card.description,
        "Input": input_words(card),
        "Licence": card.licence or "not stated",
        "Size": size_words(card),
        "Source": source_words(card),
        "Cite": card.citation,
    }
    return [f"<b>{name}</b> {escape(text)}" for name, text in facts.items() if text]


def _line(html: str) -> QLabel:
    label = QLabel(html)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
