"""The button Adapt to my examples, what came of it, and the choice to keep it."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_medseg.engine.by_example.adapt.adaptation import Adaptation, in_words
from napari_medseg.session.by_example.examples import Examples
from napari_medseg.widgets.parts.by_example.details import Details
from napari_medseg.widgets.parts.jobs.button import JobButton
from napari_medseg.widgets.parts.messages import small_print

_TIP = (
    "Fit small networks on the examples, about half a minute, and see on examples left out "
    "whether that is better"
)


class AdaptPanel(QWidget):
    """Shows what adapting brought on examples left out; nothing is used before Keep.

    Parameters
    ----------
    examples : Examples
        Who keeps the adaptation.
    button : JobButton
        Starts the job that gives an `Adaptation`.
    details : Details
        Where the model is chosen, to which an adaptation belongs.
    """

    def __init__(
        self,
        examples: Examples,
        button: JobButton,
        details: Details,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._examples, self._details = examples, details
        self.offered: Adaptation | None = None
        self._note = ""
        self.button = button
        self.button.set_idle(button.title, _TIP)
        self.words = small_print()
        self.keep_button = QPushButton("Keep")
        self.keep_button.setToolTip(
            "Use it for the next predictions, and save it with the examples"
        )
        self.discard_button = QPushButton("Discard")
        self.discard_button.setToolTip("Predict without it")
        row = QHBoxLayout()
        row.addWidget(self.keep_button)
        row.addWidget(self.discard_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(button)
        column.addWidget(self.words)
        column.addLayout(row)
        self.button.started.connect(self._drop_offer)
        self.button.succeeded.connect(self._offer)
        self.button.cancelled.connect(self._on_cancelled)
        self.keep_button.clicked.connect(self.keep)
        self.discard_button.clicked.connect(self.discard)
        examples.changed.connect(self._drop_offer)
        examples.adaptation_changed.connect(self.refresh)
        details.model.currentIndexChanged.connect(self._drop_offer)
        self.refresh()

    def keep(self) -> None:
        """Use what is offered for the predictions that follow."""
        offered, self.offered = self.offered, None
        self._examples.keep_adaptation(offered)

    def discard(self) -> None:
        """Drop what is offered, or else what was kept."""
        if self.offered is not None:
            self._drop_offer()
        else:
            self._examples.keep_adaptation(None)

    def refresh(self) -> None:
        """Say what is offered, in use, or out of date."""
        kept = self._examples.adaptation
        if self.offered is not None:
            text = in_words(self.offered)
        elif kept is not None and self._examples.is_adaptation_stale:
            text = "⚠ Not in use: the examples have changed since. Adapt again."
        elif kept is not None and kept.model_sha256 != self._details.model_sha256:
            text = "⚠ Not in use: it was made for another model. Adapt again."
        elif kept is not None:
            text = f"In use. {in_words(kept)}" if kept.gain else "In use; its gain is not known."
        else:
            text = self._note
        self.words.setText(text)
        self.words.setVisible(bool(text))
        self.keep_button.setVisible(self.offered is not None)
        self.discard_button.setVisible(self.offered is not None or kept is not None)

    def _offer(self, adaptation: Adaptation) -> None:
        if adaptation.support_sha256 != self._examples.support().examples_hash:
            self._note = "The examples have changed meanwhile: adapt again."
        elif adaptation.is_worth_it:
            self.offered = adaptation
        else:
            self._note = in_words(adaptation)
        self.refresh()

    def _on_cancelled(self) -> None:
        self._note = "Cancelled: predictions are as they were."
        self.refresh()

    def _drop_offer(self, _: object = None) -> None:
        self.offered = None
        self._note = ""
        self.refresh()
