"""How an image is clustered: the method in sight, the rest folded away."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QSizePolicy, QSpinBox, QWidget

from napari_medseg.engine.cluster.options import ClusterOptions
from napari_medseg.widgets.parts.choices import choice_box
from napari_medseg.widgets.parts.device_box import DeviceBox
from napari_medseg.widgets.parts.folded_details import FoldedDetails

_METHODS = {
    "S3-Net, as published": (
        "s3net",
        "Fits a small network to this one image and merges clusters as it goes.",
    ),
    "S3-Net, improved": (
        "s3net-improved",
        "With the localised view and the boundary term of the later description; slower.",
    ),
    "k-means": ("kmeans", "By brightness and colour alone; immediate."),
    "Otsu's threshold": ("otsu", "Dark and bright, split where it divides them best; immediate."),
}
_FOCUS = {
    "Anything": ("none", "Splits the whole image."),
    "A lesion on skin": (
        "lesion",
        "Something dark in blue light, which melanin takes away and redness does not; it may "
        "touch the edge of the image. Otsu's threshold was measured best on it.",
    ),
    "Something dark inside": (
        "dark",
        "Such as the lungs on an X-ray; what touches the edge of the image is set apart.",
    ),
    "Something bright inside": (
        "bright",
        "Such as a stone, or a nodule; what touches the edge of the image is set apart.",
    ),
}


class ClusterDetails(FoldedDetails):
    """The choices of a clustering; `method` and `focus` stand outside of the fold.

    Which of the others count depends on the method; those that do not are disabled.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        default = ClusterOptions()
        self.method = _choices({text: value for text, (value, _) in _METHODS.items()})
        self.focus = _choices({text: value for text, (value, _) in _FOCUS.items()})
        self.method.setCurrentIndex(self.method.findData(default.method))
        self.clusters = _number(2, 64, default.clusters, "How many clusters k-means makes")
        self.enough = _number(
            1, 64, default.enough, "S3-Net stops when no more clusters than this are left"
        )
        self.iterations = _number(
            1, 1000, default.iterations, "S3-Net stops after so many at the latest"
        )
        self.seed = _number(0, 2**31 - 1, default.seed, "The same seed gives the same clusters")
        self.device = DeviceBox()
        self.put(
            ("Clusters", self.clusters),
            ("Stop at clusters", self.enough),
            ("Iterations", self.iterations),
            ("Seed", self.seed),
            ("Runs on", self.device),
        )
        self.method.currentIndexChanged.connect(self._refresh)
        self.focus.currentIndexChanged.connect(self._refresh)
        self._refresh()

    def options(self) -> ClusterOptions:
        """Give what is chosen now."""
        return ClusterOptions(
            method=self.method.currentData(),
            seed=self.seed.value(),
            focus=self.focus.currentData(),
            clusters=self.clusters.value(),
            enough=self.enough.value(),
            iterations=self.iterations.value(),
            device=self.device.currentData(),
        )

    def _refresh(self) -> None:
        self.method.setToolTip(_METHODS[self.method.currentText()][1])
        self.focus.setToolTip(_FOCUS[self.focus.currentText()][1])
        method = self.method.currentData()
        fitted = method.startswith("s3net")
        self.clusters.setEnabled(method == "kmeans")
        self.seed.setEnabled(fitted or method == "kmeans")
        for widget in (self.enough, self.iterations, self.device):
            widget.setEnabled(fitted)
        self.changed.emit()


def _choices(choices: dict[str, str]) -> QComboBox:
    box = choice_box(choices)
    box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return box


def _number(low: int, high: int, value: int, tip: str) -> QSpinBox:
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    box.setToolTip(tip)
    return box
