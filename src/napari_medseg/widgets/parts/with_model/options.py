"""How a model is run: the choices that most people never need, folded away."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QSpinBox, QWidget

from napari_medseg.engine.with_model.options import SegmentOptions, usual_tile
from napari_medseg.session.settings import settings
from napari_medseg.widgets.parts.device_box import DeviceBox
from napari_medseg.widgets.parts.folded_details import FoldedDetails
from napari_medseg.widgets.parts.keys_box import KeysBox
from napari_medseg.zoo.cards import CardError, ModelCard
from napari_medseg.zoo.specs import InputSpec

_LARGEST_TILE = 4096


class ModelOptions(FoldedDetails):
    """Device, mirror images, tiles, further layers, keys."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.device = DeviceBox()
        self.tile = QSpinBox()
        self.tile.setSpecialValueText("as on the card")
        self.tile.setSuffix(" px")
        self.flips = QCheckBox("Average over mirror images (slower)")
        self.flips.setToolTip("Asks the net about four mirror images; four times the work")
        self.probabilities = QCheckBox("Add probability layers")
        self.probabilities.setToolTip("One image layer per class, from 0 to 1; needs more memory")
        self.objects = QCheckBox("Number the objects")
        self.objects.setToolTip(
            "Adds a layer in which each object, such as a nucleus, is a label of its own; those "
            "that touch are parted at necks and where the net is unsure"
        )
        self.shortcuts = KeysBox()
        self.put(
            ("Runs on", self.device),
            ("Tiles of", self.tile),
            ("", self.objects),
            ("", self.probabilities),
            ("", self.flips),
            ("", self.shortcuts),
        )
        self.show_model(None)

    def show_model(self, card: ModelCard | None) -> None:
        """Offer the sizes of tiles that a model takes."""
        step, why = _tile_step(card)
        self.tile.setEnabled(not why)
        self.tile.setToolTip(why or "Smaller tiles need less memory; larger ones see more at once")
        if self.tile.singleStep() != max(step, 1) or why:
            self.tile.setValue(0)
        self.tile.setRange(0, _LARGEST_TILE // max(step, 1) * step)
        self.tile.setSingleStep(max(step, 1))

    def options(self, card: ModelCard, threshold: float | None) -> SegmentOptions:
        """Give what is chosen now; labels are cleaned up later."""
        step = self.tile.singleStep()
        tile = self.tile.value() // step * step
        return SegmentOptions(
            card,
            device=self.device.currentData(),
            threshold=threshold,
            flips=self.flips.isChecked(),
            tile=tile or usual_tile(card, settings().tile),
            keep_probabilities=self.probabilities.isChecked() or self.objects.isChecked(),
        )


def _tile_step(card: ModelCard | None) -> tuple[int, str]:
    """Give in which steps the size of tiles can be chosen, or why it cannot."""
    if card is None or card.kind != "pretrained":
        return 0, "Choose a model first."
    try:
        spec = InputSpec.of(card)
    except CardError as error:
        return 0, str(error)
    if spec.fit == "resize":
        return 0, "This model looks at the whole plane at once."
    if not spec.multiple:
        return 0, f"This model takes tiles of {spec.size[0]} × {spec.size[1]} pixels and no others."
    return spec.multiple, ""
