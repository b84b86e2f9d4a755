"""What a person set once for all sessions, and the signal that tells open docks of a change."""

from __future__ import annotations

from typing import Any

from psygnal import SignalInstance

from napari_medseg.io.settings_file import (
    Settings,
    SettingsError,
    read_settings,
    settings_path,
    settings_problem,
    write_settings,
)

__all__ = [
    "Settings",
    "SettingsError",
    "change_settings",
    "settings",
    "settings_changed",
    "settings_path",
    "settings_problem",
]


settings_changed = SignalInstance((Settings,), name="settings_changed")
"""Emitted with the new `Settings` after `change_settings`."""


def settings() -> Settings:
    """Give the settings as they are now; cheap, so ask anew instead of keeping the answer."""
    return read_settings()


def change_settings(**changes: Any) -> Settings:
    """Change settings, for good and for all docks that are open.

    Parameters
    ----------
    **changes
        Fields of `Settings`.

    Returns
    -------
    Settings
        All of them.

    Raises
    ------
    SettingsError
        If a value cannot be used; nothing has changed then.
    SaveError
        If they cannot be saved; nothing has changed then.
    """
    before = read_settings()
    now = write_settings(changes)
    if now != before:
        settings_changed.emit(now)
    return now
