"""The page of settings in napari's Preferences, kept equal to the file that commands read, too."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.session.settings import (
    Settings,
    change_settings,
    settings,
    settings_changed,
    settings_path,
)

if TYPE_CHECKING:
    from napari.utils.events import EventedModel

PLUGIN = "napari-medseg"
PAGE = {
    "computing": ("device", "threads", "tile"),
    "models": ("cache_folder", "offline"),
    "unsaved": ("autosave", "autosave_limit_mb", "autosave_days"),
    "keys": ("shortcuts",),
}
"""The fields of `Settings` under each heading of the page, as the manifest names them."""

_linked: list[Preferences] = []


class Preferences:
    """Passes what is changed on the page on to the settings, and the other way round.

    The truth is the file of `napari_medseg.session.settings`; napari keeps a copy for its page.
    What was changed on the page while nothing of this plugin was open is taken over at the start.

    Parameters
    ----------
    page : EventedModel
        As napari's ``get_plugin_settings`` gives it.
    """

    def __init__(self, page: EventedModel) -> None:
        self._page: Any = page
        self._busy = False
        if _changed(getattr(page, "config_path", None)) > _changed(settings_path()):
            self._take()
        else:
            self._show(settings())
        self._page.events.changed.connect(self._take)
        settings_changed.connect(self._show)

    def _take(self, event: object = None) -> None:
        if self._busy:
            return
        values = {
            name: getattr(getattr(self._page, heading), name)
            for heading, names in PAGE.items()
            for name in names
        }
        try:
            change_settings(**values)
        except (ValueError, OSError):
            self._show(settings())

    def _show(self, now: Settings) -> None:
        self._busy = True
        try:
            for heading, names in PAGE.items():
                for name in names:
                    # The page has no name for one of several graphics cards; it stays as it is.
                    with suppress(ValueError):
                        setattr(getattr(self._page, heading), name, getattr(now, name))
        finally:
            self._busy = False


def link_preferences() -> None:
    """Keep napari's page and the settings equal from now on; once is enough."""
    if _linked:
        return
    from napari.settings import get_plugin_settings

    page = get_plugin_settings().get(PLUGIN)
    if page is not None:
        _linked.append(Preferences(page))


def _changed(path: object) -> float:
    try:
        return Path(path).stat().st_mtime if isinstance(path, (str, Path)) else 0.0
    except OSError:
        return 0.0
