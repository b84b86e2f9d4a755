"""What a dock says to the user: one sentence at a time, where the work is."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget

_COLOURS = {"hint": "", "done": "#2e9e5b", "problem": "#d9822b"}
_SIGNS = {"hint": "", "done": "✓ ", "problem": "⚠ "}


class Message(QLabel):
    """A line of text that wraps, can be selected, and says by sign and colour what it is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.kind = "hint"
        self._said, self._interrupted = "", ("", "")
        self.setObjectName("medseg_message")
        self.setWordWrap(True)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)

    def hint(self, text: str) -> None:
        """Say what can be done next."""
        self._say("hint", text)

    def done(self, text: str) -> None:
        """Say what was done."""
        self._say("done", text)

    def problem(self, text: str) -> None:
        """Say what went wrong and what to do."""
        self._say("problem", text)

    def interrupt(self, text: str) -> None:
        """Say something that holds for a while, until `resume`."""
        before = (self.kind, self._said)
        self.hint(text)
        self._interrupted = before

    def resume(self) -> None:
        """Say again what was said before the interruption, if nothing was said since."""
        kind, text = self._interrupted
        if kind:
            self._say(kind, text)

    def _say(self, kind: str, text: str) -> None:
        self.kind, self._said, self._interrupted = kind, text, ("", "")
        colour = _COLOURS[kind]
        self.setStyleSheet(f"color: {colour};" if colour else "")
        self.setText(_SIGNS[kind] + text if text else "")


def small_print() -> QLabel:
    """Make a label whose text wraps and never widens the dock."""
    label = QLabel()
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    return label
