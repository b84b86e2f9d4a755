"""What can be changed about a model's proposal at once, without asking the net again."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QSpinBox, QWidget

from napari_medseg.engine.postprocess import PostProcess
from napari_medseg.session.with_model.proposal import Cut
from napari_medseg.zoo.cards import CardError, ModelCard
from napari_medseg.zoo.specs import OutputSpec

_LARGEST_SIZE = 10_000_000


class LiveOptions(QWidget):
    """Most probable class, largest piece, holes, crumbs."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.automatic = QCheckBox("Most probable class")
        self.automatic.setToolTip(
            "Each pixel gets its most probable class, the background being one of them; "
            "moving the threshold takes this off"
        )
        self.automatic.setChecked(True)
        self.largest = QCheckBox("Largest piece only")
        self.largest.setToolTip("Keep the largest connected piece of each class")
        self.fill_holes = QCheckBox("Fill holes")
        self.fill_holes.setToolTip("Background that a class encloses becomes that class")
        self.min_size = QSpinBox()
        self.min_size.setRange(0, _LARGEST_SIZE)
        self.min_size.setSpecialValueText("none")
        self.min_size.setSuffix(" px")
        self.min_size.setKeyboardTracking(False)
        self.min_size.setToolTip(
            "Drop connected pieces of fewer pixels (voxels, where the whole volume is proposed)"
        )
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.addWidget(self.automatic, 0, 0, 1, 2)
        grid.addWidget(self.largest, 1, 0)
        grid.addWidget(self.fill_holes, 1, 1)
        grid.addWidget(QLabel("Drop pieces smaller than"), 2, 0)
        grid.addWidget(self.min_size, 2, 1)
        for box in (self.automatic, self.largest, self.fill_holes):
            box.toggled.connect(self.changed)
        self.min_size.valueChanged.connect(self.changed)

    @property
    def post(self) -> PostProcess:
        """How labels are cleaned up."""
        return PostProcess(
            self.min_size.value(), self.largest.isChecked(), self.fill_holes.isChecked()
        )

    def cut(self, threshold: float) -> Cut:
        """Give how labels are made, with the threshold of the slider."""
        automatic = not self.automatic.isHidden() and self.automatic.isChecked()
        return Cut(None if automatic else threshold, self.post)

    def show_model(self, card: ModelCard | None) -> None:
        """Offer what makes sense for a model: only a softmax weighs classes against background."""
        try:
            output = None if card is None else OutputSpec.of(card)
        except CardError:
            output = None
        self.automatic.setVisible(output is not None and output.activation == "softmax")

    def leave_automatic(self) -> None:
        """Go by the threshold from now on, without announcing it."""
        with QSignalBlocker(self.automatic):
            self.automatic.setChecked(False)
