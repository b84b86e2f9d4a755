"""The choices that most people never need, folded away."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QCheckBox, QSpinBox, QWidget

from napari_medseg.engine.by_example.options import DEFAULT_MODEL, MOST_EFFORT, ByExampleOptions
from napari_medseg.widgets.parts.choices import choice_box
from napari_medseg.widgets.parts.device_box import DeviceBox
from napari_medseg.widgets.parts.elided_box import ElidedBox
from napari_medseg.widgets.parts.folded_details import FoldedDetails
from napari_medseg.widgets.parts.keys_box import KeysBox
from napari_medseg.zoo.registry import list_models

_REFINE = {"Automatic": "auto", "Always": True, "Never": False}
_COLOUR = {"Automatic": "auto", "As brightness": "grey", "Learned from examples": "learned"}


class Details(FoldedDetails):
    """How the prediction is made."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = ElidedBox()
        self._list_models(DEFAULT_MODEL)
        self.model.currentIndexChanged.connect(self._show_card)
        self._show_card()
        self.device = DeviceBox()
        self.refine = choice_box(
            _REFINE, "Look at the region found a second time, at its own scale"
        )
        self.colour = choice_box(_COLOUR, "What is made of a colour image")
        self.ensemble = QSpinBox()
        self.ensemble.setRange(1, 16)
        self.ensemble.setToolTip("Ask with so many random subsets of the examples and average")
        self.effort = QSpinBox()
        self.effort.setRange(1, MOST_EFFORT)
        self.effort.setSuffix(" × as long")
        self.effort.setToolTip(
            "How long Adapt to my examples may fit its small networks: what takes long to learn, "
            "such as a small organ, needs 3 or more"
        )
        self.flips = QCheckBox("Average over mirror images (slower)")
        self.displayed = QCheckBox("Use the contrast on display")
        self.displayed.setToolTip(
            "Show the network the image as dark and bright as you see it now, "
            "for examples and predictions that follow; otherwise the range is chosen automatically"
        )
        self.shortcuts = KeysBox()
        self.put(
            ("Model", self.model),
            ("Runs on", self.device),
            ("Second look", self.refine),
            ("Colours", self.colour),
            ("Ensemble", self.ensemble),
            ("Adapting", self.effort),
            ("", self.flips),
            ("", self.displayed),
            ("", self.shortcuts),
        )

    def showEvent(self, event: QShowEvent) -> None:
        """Take over models that were added while the dock was out of sight."""
        super().showEvent(event)
        names = [card.name for card in list_models(present=True) if card.kind == "in-context"]
        listed = [self.model.itemData(row).name for row in range(self.model.count())]
        if names != listed:
            chosen = self.model.currentData()
            self._list_models(DEFAULT_MODEL if chosen is None else chosen.name)

    def _list_models(self, chosen: str) -> None:
        """List the in-context models of this computer, and choose one by its name."""
        self.model.clear()
        for card in list_models(present=True):
            if card.kind == "in-context":
                self.model.addItem(card.title, card)
                tip = f"{card.description}\nNot for: {card.not_for}\nLicence: {card.licence}"
                self.model.setItemData(self.model.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
                if card.name == chosen:
                    self.model.setCurrentIndex(self.model.count() - 1)

    def _show_card(self) -> None:
        self.model.setToolTip(self.model.currentData(Qt.ItemDataRole.ToolTipRole) or "")

    @property
    def has_model(self) -> bool:
        """Whether any in-context model is installed."""
        return self.model.count() > 0

    @property
    def model_sha256(self) -> str:
        """Hash of the chosen model's weights; empty where no model is installed."""
        card = self.model.currentData()
        return "" if card is None else str(card.sha256)

    def options(self, threshold: float) -> ByExampleOptions:
        """Give what is chosen now.

        Raises
        ------
        ValueError
            If no model is installed.
        """
        if not self.has_model:
            raise ValueError("No model for segmentation by example is installed.")
        return ByExampleOptions(
            model=self.model.currentData(),
            device=self.device.currentData(),
            threshold=threshold,
            refine=self.refine.currentData(),
            colour=self.colour.currentData(),
            ensemble=self.ensemble.value(),
            flips=self.flips.isChecked(),
            adapt_effort=self.effort.value(),
        )
