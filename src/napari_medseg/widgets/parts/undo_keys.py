"""Undo and redo in the user's labels while another layer is the active one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_medseg.session.case import Case


def hand_on_undo(layer: Layer, case: Case) -> None:
    """Let Ctrl+Z and Ctrl+Shift+Z on a layer that only shows something mean a case's labels."""

    def undo(_: Layer) -> None:
        if case.labels is not None:
            case.labels.undo()

    def redo(_: Layer) -> None:
        if case.labels is not None:
            case.labels.redo()

    layer.bind_key("Control-Z", undo, overwrite=True)
    layer.bind_key("Control-Shift-Z", redo, overwrite=True)
