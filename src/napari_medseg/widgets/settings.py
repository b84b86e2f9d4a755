"""The dock Settings: what holds for all docks and commands, kept for good at every change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
)

from napari_medseg.io.settings_file import LIMITS
from napari_medseg.session.settings import (
    Settings,
    change_settings,
    settings,
    settings_changed,
    settings_problem,
)
from napari_medseg.widgets.parts.arrange import form, group, row
from napari_medseg.widgets.parts.device_box import DeviceBox
from napari_medseg.widgets.parts.dock import Dock
from napari_medseg.zoo.registry import user_folder

if TYPE_CHECKING:
    import napari.viewer


class SettingsDock(Dock):
    """The dock; every change is saved at once.

    Parameters
    ----------
    viewer : napari viewer
        The viewer that it belongs to; unused, since settings hold for all of them.
    """

    tab = "Settings"

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.device = DeviceBox()
        self.device.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.threads = _number("threads", "as many as there are", 1)
        self.tile = _number("tile", "as the model says", 64)
        self.folder = QLineEdit()
        self.folder.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.browse = QPushButton("Choose…")
        self.browse.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.offline = QCheckBox("Work offline: download nothing")
        self.autosave = QCheckBox("Keep unsaved paint for after a crash")
        self.limit = _number("autosave_limit_mb", "", 50)
        self.limit.setSuffix(" MB")
        self.days = _number("autosave_days", "", 1)
        self.days.setSuffix(" days")
        self.shortcuts = QCheckBox("Keyboard shortcuts")
        self._lay_out()
        self._tell_tips()
        self.show_settings(settings())
        self._connect()
        if settings_problem():
            self.message.problem(f"{settings_problem()} The next change here mends the file.")

    # -- what the user does ---------------------------------------------------------------------

    def ask_for_folder(self) -> str:
        """Let the user choose a folder; empty if she would rather not."""
        return str(QFileDialog.getExistingDirectory(self, "Where models are kept"))

    def _change(self, **changes: Any) -> None:
        if all(getattr(settings(), name) == value for name, value in changes.items()):
            return
        try:
            change_settings(**changes)
        except (ValueError, OSError) as error:
            self.message.problem(str(error))
            self.show_settings(settings())
            return
        self.message.done("Saved.")

    def _choose_folder(self) -> None:
        folder = self.ask_for_folder()
        if folder:
            self._change(cache_folder=folder)

    # -- what is shown --------------------------------------------------------------------------

    def show_settings(self, now: Settings) -> None:
        """Show these settings."""
        self.device.show_device(now.device)
        for box, value in self._numbers(now):
            box.setValue(value)
        for switch, on in self._switches(now):
            switch.setChecked(on)
        self.folder.setText(now.cache_folder)
        self.folder.setPlaceholderText(str(user_folder()))
        self.limit.setEnabled(now.autosave)
        self.days.setEnabled(now.autosave)

    def _numbers(self, now: Settings) -> tuple[tuple[QSpinBox, int], ...]:
        return (
            (self.threads, now.threads),
            (self.tile, now.tile),
            (self.limit, now.autosave_limit_mb),
            (self.days, now.autosave_days),
        )

    def _switches(self, now: Settings) -> tuple[tuple[QCheckBox, bool], ...]:
        return (
            (self.offline, now.offline),
            (self.autosave, now.autosave),
            (self.shortcuts, now.shortcuts),
        )

    # -- layout and wiring ----------------------------------------------------------------------

    def _lay_out(self) -> None:
        computing = form(("Runs on", self.device), ("Cores", self.threads), ("Tiles", self.tile))
        models = form(("Folder", row(self.folder, self.browse)), ("", self.offline))
        unsaved = form(("", self.autosave), ("At most", self.limit), ("Kept for", self.days))
        self.put(
            group("Computing", computing),
            group("Models", models),
            group("Unsaved work", unsaved),
            group("Keys", self.shortcuts),
        )

    def _tell_tips(self) -> None:
        tips = {
            self.device: "Where networks run, unless a dock or a command says otherwise",
            self.threads: "How much of the processor a computation takes; once limited, it is "
            "unlimited again after a restart",
            self.tile: "Side of the tiles in pixels, for models that work in tiles; smaller ones "
            "need less memory",
            self.folder: "Where downloaded, imported and trained models are kept; empty for the "
            "usual place",
            self.offline: "Downloads are refused with a sentence that says so",
            self.autosave: "At the next start it is offered back",
            self.shortcuts: "The docks' own keys; napari's stay",
        }
        for widget, tip in tips.items():
            widget.setToolTip(tip)

    def _connect(self) -> None:
        self.device.activated.connect(lambda _: self._change(device=str(self.device.currentData())))
        numbers = {
            "threads": self.threads,
            "tile": self.tile,
            "autosave_limit_mb": self.limit,
            "autosave_days": self.days,
        }
        for name, box in numbers.items():
            box.editingFinished.connect(_saying(self._change, name, box.value))
        switches = {
            "offline": self.offline,
            "autosave": self.autosave,
            "shortcuts": self.shortcuts,
        }
        for name, switch in switches.items():
            switch.clicked.connect(_saying(self._change, name, switch.isChecked))
        self.folder.editingFinished.connect(
            lambda: self._change(cache_folder=self.folder.text().strip())
        )
        self.browse.clicked.connect(self._choose_folder)
        settings_changed.connect(self.show_settings)

    def let_go(self) -> None:
        """Stop listening."""
        settings_changed.disconnect(self.show_settings)


def _saying(
    change: Callable[..., None], name: str, value: Callable[[], Any]
) -> Callable[..., None]:
    """Give a slot that changes one setting to what its widget says then."""
    return lambda *_: change(**{name: value()})


def _number(name: str, nothing: str, step: int) -> QSpinBox:
    box = QSpinBox()
    box.setRange(*LIMITS[name])
    box.setSingleStep(step)
    box.setSpecialValueText(nothing[:1].upper() + nothing[1:])
    box.setKeyboardTracking(False)
    return box
