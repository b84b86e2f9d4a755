"""Loss and Dice of a training as curves, beside those of another one."""

from __future__ import annotations

from collections.abc import Sequence

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

_LOSS, _DICE = "#3d8bd4", "#e08a2e"
_HEIGHT = 190
_SMOOTH = 0.8

Points = Sequence[tuple[int, float]]


class TrainingCurves(QWidget):
    """Draws the training loss (left axis) and the Dice on the validation cases (right axis)."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.plot = pg.PlotWidget()
        self.plot.setFixedHeight(_HEIGHT)
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.plot.setBackground(None)
        # What lies under it shows through, or the colour of an earlier theme would stay.
        self.plot.setStyleSheet("background: transparent")
        self.plot.viewport().setAutoFillBackground(False)
        self.plot.setMenuEnabled(False)
        self.plot.setMouseEnabled(x=False, y=False)
        self.plot.hideButtons()
        self._faint = self.plot.plot(pen=pg.mkPen(_LOSS + "50"))
        self._loss = self.plot.plot(pen=pg.mkPen(_LOSS, width=2))
        self._right = pg.ViewBox(enableMenu=False, enableMouse=False)
        self._dice = pg.PlotDataItem(
            pen=pg.mkPen(_DICE, width=2), symbol="o", symbolSize=5, symbolBrush=_DICE
        )
        self._other_loss = self.plot.plot(pen=_dashed(_LOSS))
        self._other_dice = pg.PlotDataItem(
            pen=_dashed(_DICE), symbol="t", symbolSize=5, symbolBrush=_DICE
        )
        # A single point must not make an axis of a millionth.
        self.plot.getPlotItem().vb.setLimits(minYRange=0.01)
        self._add_right_axis()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def show_points(self, losses: Points, scores: Points, steps: int = 0) -> None:
        """Draw these points; the horizontal axis reaches to `steps` where that is known."""
        xs, ys = _split(losses)
        self._faint.setData(xs, ys)
        self._loss.setData(xs, _smooth(ys))
        self._dice.setData(*_split(scores))
        if steps:
            self.plot.setXRange(0, steps, padding=0.02)
        self._follow()

    def show_other(self, losses: Points, scores: Points) -> None:
        """Draw another training beside it, dashed; nothing where there are no points."""
        xs, ys = _split(losses)
        self._other_loss.setData(xs, _smooth(ys))
        self._other_dice.setData(*_split(scores))
        self._follow()

    def drawn(self) -> dict[str, list[tuple[int, float]]]:
        """Give the points (step, value) of what is on display; losses are smoothed."""
        curves = {
            "loss": self._loss,
            "dice": self._dice,
            "other loss": self._other_loss,
            "other dice": self._other_dice,
        }
        return {name: _points(curve) for name, curve in curves.items()}

    def clear(self) -> None:
        """Draw nothing."""
        self.show_points([], [])

    def set_ink(self, colour: QColor) -> None:
        """Draw axes and numbers in this colour, that of the theme's text."""
        for name in ("left", "right", "bottom"):
            axis = self.plot.getPlotItem().getAxis(name)
            axis.setPen(colour)
            axis.setTextPen(colour)
        self._name_axes()

    def _add_right_axis(self) -> None:
        item = self.plot.getPlotItem()
        item.showAxis("right")
        item.scene().addItem(self._right)
        item.getAxis("right").linkToView(self._right)
        self._right.setXLink(item)
        self._right.setYRange(0, 1, padding=0.02)
        self._right.addItem(self._dice)
        self._right.addItem(self._other_dice)
        item.vb.sigResized.connect(self._follow)
        self._name_axes()
        # SI prefixes would call step 1500 "1.5 (x1e+03)".
        for name in ("left", "right", "bottom"):
            item.getAxis(name).enableAutoSIPrefix(False)

    def _name_axes(self) -> None:
        item = self.plot.getPlotItem()
        item.setLabel("left", "Loss", color=_LOSS)
        item.setLabel("right", "Dice on validation", color=_DICE)

    def _follow(self, _: object = None) -> None:
        self._right.setGeometry(self.plot.getPlotItem().vb.sceneBoundingRect())


def _points(curve: pg.PlotDataItem) -> list[tuple[int, float]]:
    xs, ys = curve.getOriginalDataset()
    return [] if xs is None else [(int(x), float(y)) for x, y in zip(xs, ys, strict=True)]


def _dashed(colour: str) -> pg.QtGui.QPen:
    return pg.mkPen(colour, width=1, style=Qt.PenStyle.DashLine)


def _split(points: Points) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _smooth(values: Sequence[float]) -> list[float]:
    """Give the exponential moving average, which does not lag at the start."""
    smooth: list[float] = []
    weight = total = 0.0
    for value in values:
        total = _SMOOTH * total + (1 - _SMOOTH) * value
        weight = _SMOOTH * weight + (1 - _SMOOTH)
        smooth.append(total / weight)
    return smooth
