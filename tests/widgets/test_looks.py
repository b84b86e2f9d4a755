"""Parts of docks that draw themselves: what is cut off is told, what is ticked is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QImage
from qtpy.QtWidgets import QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from napari_medseg.session.by_example.examples import Examples
from napari_medseg.widgets.parts.check_column import CheckColumn
from napari_medseg.widgets.parts.class_table import ClassTable
from napari_medseg.widgets.parts.cluster.details import ClusterDetails
from napari_medseg.widgets.parts.elided_box import ElidedBox

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


def test_a_name_that_is_too_long_ends_in_dots(qtbot: QtBot) -> None:
    box = ElidedBox()
    qtbot.addWidget(box)
    box.addItem("UNet with SelfReg: its own features")
    box.resize(400, 30)
    assert box.shown_text == "UNet with SelfReg: its own features"
    box.resize(120, 30)
    assert box.shown_text.startswith("UNet") and box.shown_text.endswith("…")
    box.grab()  # draws without complaint
    box.setPlaceholderText("Nothing yet")
    box.setCurrentIndex(-1)
    assert box.shown_text == "Nothing yet"


def drawn(table: QTableWidget, state: Qt.CheckState) -> QImage:
    table.item(0, 0).setCheckState(state)
    return table.viewport().grab().toImage()


def test_a_check_box_in_a_table_is_drawn_as_the_theme_says(qtbot: QtBot) -> None:
    table = QTableWidget(1, 1)
    qtbot.addWidget(table)
    table.setStyleSheet("QCheckBox::indicator { background: #ff0000; width: 16px; height: 16px; }")
    table.setItem(0, 0, QTableWidgetItem())
    table.setItemDelegateForColumn(0, CheckColumn(table))
    image = drawn(table, Qt.CheckState.Unchecked)
    colours = {
        image.pixelColor(column, row).name()
        for column in range(0, image.width(), 2)
        for row in range(0, image.height(), 2)
    }
    assert "#ff0000" in colours
    table.setStyleSheet("QCheckBox::indicator:checked { background: #00ff00; }")
    assert drawn(table, Qt.CheckState.Checked) != drawn(table, Qt.CheckState.Unchecked)


def test_the_arrow_of_the_details_says_which_way_they_fold(qtbot: QtBot) -> None:
    details = ClusterDetails()
    qtbot.addWidget(details)
    shut = details.text()
    details.expand(animate=False)
    assert details.text() != shut
    details.collapse(animate=False)
    assert details.text() == shut


def test_the_table_of_classes_stays_beside_its_buttons_in_a_tall_window(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    classes, column = ClassTable(Examples()), QVBoxLayout(window)
    column.addWidget(classes)
    column.addStretch()
    window.resize(300, 800)
    window.show()
    assert classes.table.y() <= classes.add_button.y() + 2
    assert classes.height() < 120
