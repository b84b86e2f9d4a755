"""Dialogs that are asked and answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from qtpy.QtWidgets import QDialog

Answer = TypeVar("Answer")


def answer_of(dialog: QDialog, read: Callable[[], Answer]) -> Answer | None:
    """Show a dialog and wait; give what it reads then, or None where the person cancelled.

    Parameters
    ----------
    dialog : QDialog
        It is gone afterwards.
    read : callable
        Gives what is filled in.
    """
    try:
        return read() if dialog.exec() == QDialog.DialogCode.Accepted else None
    finally:
        dialog.deleteLater()
