"""What can be done with a proposal: move the threshold, accept it, or reject it."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QGroupBox,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QWidget,
)

from napari_medseg.session.edits import Mode
from napari_medseg.session.proposal import LOWEST_THRESHOLD

SLIDER_TIP = "Lower: more is proposed. Higher: only what is certain."
_WHERE_KEYS_WORK = "On the image the key works while the layer “proposal” is selected."
_PERCENT = 100


class ProposalPanel(QGroupBox):
    """Threshold, what happens to existing labels, and the three answers."""

    threshold_changed = Signal(float)
    mode_changed = Signal(object)
    accepted = Signal()
    plane_accepted = Signal()
    rejected = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Proposal", parent)
        self._keys = False
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(round(LOWEST_THRESHOLD * _PERCENT), 95)
        self.slider.setValue(50)
        self.slider.setToolTip(SLIDER_TIP)
        self.number = QLabel("0.50")
        self.mode = QComboBox()
        self.mode.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        for mode in Mode:
            self.mode.addItem(mode.value, mode)
        self.mode.setToolTip("What happens where you have painted already")
        self.accept_button = QPushButton("Accept")
        self.plane_button = QPushButton("Accept this plane")
        self.reject_button = QPushButton("Reject")
        grid = QGridLayout(self)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        threshold = QGridLayout()
        threshold.addWidget(QLabel("Threshold"), 0, 0)
        threshold.addWidget(self.slider, 0, 1)
        threshold.addWidget(self.number, 0, 2)
        grid.addLayout(threshold, 0, 0, 1, 2)
        grid.addWidget(self.mode, 1, 0, 1, 2)
        grid.addWidget(self.accept_button, 2, 0)
        grid.addWidget(self.reject_button, 2, 1)
        grid.addWidget(self.plane_button, 3, 0, 1, 2)
        self.slider.valueChanged.connect(self._on_slider)
        self.mode.currentIndexChanged.connect(
            lambda: self.mode_changed.emit(self.mode.currentData())
        )
        self.accept_button.clicked.connect(self.accepted)
        self.plane_button.clicked.connect(self.plane_accepted)
        self.reject_button.clicked.connect(self.rejected)

    @property
    def threshold(self) -> float:
        """The threshold that the slider shows."""
        return self.slider.value() / _PERCENT

    def show_state(self, n_planes: int, missing: str, missing_plane: str, running: bool) -> None:
        """Enable what can be done now.

        Parameters
        ----------
        n_planes : int
            How many planes are proposed.
        missing, missing_plane : str
            Why nothing can be accepted, and why the plane on display cannot; empty if it can.
        running : bool
            Whether more planes are being predicted.
        """
        nothing = "" if n_planes else "Nothing is proposed: predict a plane first."
        whole = nothing or missing
        if not whole and running:
            whole = "More planes are on their way: wait, cancel, or accept this plane."
        _enable(self.accept_button, whole, self._tip("Write the proposal into your labels"))
        _enable(
            self.plane_button,
            nothing or missing or missing_plane,
            self._tip("Write the proposal of the plane on display into your labels"),
        )
        dropped = self._tip("Drop the proposal; your labels stay as they are")
        _enable(self.reject_button, nothing, dropped)
        self.plane_button.setVisible(n_planes > 1 or running)
        self.accept_button.setText(self._accept_text(n_planes))
        self.setTitle("Proposal" if n_planes < 2 else f"Proposal · {n_planes} planes")

    def show_keys(self, shown: bool) -> None:
        """Show the keys on the buttons, or not."""
        self._keys = shown
        self.reject_button.setText("Reject  (Esc)" if shown else "Reject")
        self.plane_button.setText(
            "Accept this plane  (Shift+Enter)" if shown else "Accept this plane"
        )
        self.accept_button.setText(self._accept_text(0))

    def _tip(self, text: str) -> str:
        """Say what a button does, and when its key works."""
        return f"{text}. {_WHERE_KEYS_WORK}" if self._keys else text

    def _accept_text(self, n_planes: int) -> str:
        text = f"Accept all {n_planes}" if n_planes > 1 else "Accept"
        return f"{text}  (Enter)" if self._keys else text

    def _on_slider(self, value: int) -> None:
        self.number.setText(f"{value / _PERCENT:.2f}")
        self.threshold_changed.emit(value / _PERCENT)


def _enable(button: QPushButton, reason: str, tip: str) -> None:
    button.setEnabled(not reason)
    button.setToolTip(reason or tip)
