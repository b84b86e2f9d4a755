"""A bar that says what was left unsaved, shows it, and asks what shall become of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from napari_medseg.widgets.parts.thumbnails import thumbnail

if TYPE_CHECKING:
    from napari_medseg.widgets.parts.keeper.restore import Offer

_PICTURE = 56


class RestoreOffer(QWidget):
    """One thing that can come back, and how many there are.

    Parameters
    ----------
    offer : Offer
        What is offered.
    count : int
        Number of offers, with this one.
    """

    accepted = Signal(object)
    discarded = Signal(object)
    put_off = Signal(object)

    def __init__(self, offer: Offer, count: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.offer = offer
        self.picture = QLabel()
        self.picture.setFixedSize(_PICTURE, _PICTURE)
        self.picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        if offer.picture is not None:
            self.picture.setPixmap(thumbnail(offer.picture, _PICTURE))
        self.words = QLabel(sentence_of(offer, count))
        self.words.setWordWrap(True)
        self.restore_button = QPushButton("Restore" if offer.file is None else "Open and restore")
        self.restore_button.setToolTip("Bring it back; layers that are open are not touched")
        self.later_button = QPushButton("Not now")
        self.later_button.setToolTip("Ask again when the program is started anew")
        self.discard_button = QPushButton("Delete")
        self.discard_button.setToolTip("Delete what was left unsaved, for good")
        row = QHBoxLayout(self)
        row.setContentsMargins(8, 4, 8, 4)
        row.addWidget(self.picture)
        row.addWidget(self.words, 1)
        for button in (self.restore_button, self.later_button, self.discard_button):
            row.addWidget(button)
        self.setFixedHeight(_PICTURE + 8)
        self.restore_button.clicked.connect(lambda: self.accepted.emit(offer))
        self.later_button.clicked.connect(lambda: self.put_off.emit(offer))
        self.discard_button.clicked.connect(lambda: self.discarded.emit(offer))


def sentence_of(offer: Offer, count: int = 1) -> str:
    """Say what would come back, from when, and how much."""
    when = _moment(offer.entry.changed)
    if offer.examples is not None:
        n = len(offer.examples)
        what = "An example was" if n == 1 else f"{n} examples were"
        end = "dock was closed" if offer.entry.is_own else "program ended"
        said = f"{what} not saved when the {end} ({when})."
    else:
        of = "this image" if offer.image is not None else "an image"
        if offer.file is not None:
            of = f"“{offer.file.name}”, which is not open"
        said = f"Labels of {of} were not saved when the program ended ({when}): {offer.amount}."
    return said + (f" ({count - 1} more after this.)" if count > 1 else "")


def _moment(seconds: float) -> str:
    then = datetime.fromtimestamp(seconds)
    day = "today" if then.date() == datetime.now().date() else f"{then:%d %b}".lstrip("0")
    return f"{day} at {then:%H:%M}"
