"""Gives each object a number: whether those that touch are parted, and how large one is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox, QDoubleSpinBox, QGroupBox, QSizePolicy, QVBoxLayout, QWidget

from napari_medseg.io.units import written
from napari_medseg.session.layers.subject import spacing_of
from napari_medseg.widgets.parts.arrange import fill, form
from napari_medseg.widgets.parts.jobs.button import AnyJob, JobButton
from napari_medseg.widgets.parts.jobs.gate import JobGate

if TYPE_CHECKING:
    from napari.layers import Labels

_LARGEST = 100_000.0


class ObjectsBox(QGroupBox):
    """The button Number the objects under its options.

    Parameters
    ----------
    gate : JobGate
        Lets one job through at a time.
    make_job : callable
        Gives the job.
    """

    def __init__(
        self, gate: JobGate, make_job: Callable[[], AnyJob], parent: QWidget | None = None
    ) -> None:
        super().__init__("Objects", parent)
        self.button = JobButton("Number the objects", make_job, gate)
        self.part = QCheckBox("Part those that touch")
        self.part.setToolTip(
            "For round objects such as nuclei; off for rings and vessels, which it would cut"
        )
        self.part.setChecked(True)
        self.size = QDoubleSpinBox()
        self.size.setRange(0.0, _LARGEST)
        self.size.setDecimals(1)
        self.size.setSpecialValueText("Estimated")
        self.size.setToolTip("Diameter of a typical object; it says what counts as a neck")
        self.size.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        fill(QVBoxLayout(self), self.part, form(("Diameter", self.size)), self.button)
        self.part.toggled.connect(self.size.setEnabled)

    @property
    def diameter(self) -> float | None:
        """Of a typical object, in the unit of the labels; None where it is estimated."""
        return self.size.value() or None

    def show_layer(self, layer: Labels | None, missing: str) -> None:
        """Offer to number the objects of these labels, or say in the tooltip what is missing."""
        unit = "px" if layer is None else spacing_of(layer)[1]
        self.size.setSuffix(f" {written(unit)}")
        tip = "Make a layer in which each object, such as a nucleus, is a label of its own"
        self.button.set_idle("Number the objects", f"{tip}, and measure it")
        self.button.set_missing(missing)
