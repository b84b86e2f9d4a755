"""The switch for a dock's keys."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox

from napari_medseg.session.settings import Settings, settings, settings_changed
from napari_medseg.widgets.parts.farewell import Farewell


class KeysBox(QCheckBox):
    """On or off as in the settings, and following them; the user may decide for this dock alone."""

    def __init__(self) -> None:
        super().__init__("Keyboard shortcuts")
        self.setChecked(settings().shortcuts)
        settings_changed.connect(self._follow)
        self._farewell = Farewell(self, self._let_go)

    def _follow(self, now: Settings) -> None:
        self.setChecked(now.shortcuts)

    def _let_go(self) -> None:
        settings_changed.disconnect(self._follow)
