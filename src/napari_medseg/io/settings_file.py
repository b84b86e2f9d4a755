"""The file that holds what a person set once for all sessions; a bad one never stops the program.

It is ``settings.json`` in the user's folder for configurations, `config_folder`.
The window, the command line and the Python calls read the same file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_medseg.io.atomic import SaveError, atomic_write, make_folder
from napari_medseg.io.user_folders import config_folder

FILE_NAME = "settings.json"
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


class SettingsError(ValueError):
    """A setting has a value it cannot have; the message says which it can, in one sentence."""


@dataclass(frozen=True)
class Settings:
    """What holds for all docks, commands and calls that do not say otherwise.

    Parameters
    ----------
    device : str
        Where nets run: ``"auto"``, ``"cpu"``, ``"cuda"`` (or ``"cuda:1"``), ``"mps"``.
    threads : int
        Processor cores that a computation takes; 0 for as many as there are.
    tile : int
        Side of the tiles in pixels, for models that work in tiles; 0 for what the model card says.
    cache_folder : str
        Where models are kept that were downloaded, imported or trained; empty for the user's data
        folder.
    autosave : bool
        Whether unsaved paint is kept for after a crash.
    autosave_limit_mb : int
        Megabytes of the disk that this may take.
    autosave_days : int
        Days after which it is thrown away.
    shortcuts : bool
        Whether the docks have keys.
    offline : bool
        Whether nothing may be downloaded.

    Raises
    ------
    SettingsError
        If a value cannot be used.
    """

    device: str = "auto"
    threads: int = 0
    tile: int = 0
    cache_folder: str = ""
    autosave: bool = True
    autosave_limit_mb: int = 500
    autosave_days: int = 30
    shortcuts: bool = True
    offline: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            wanted, value = type(field.default), getattr(self, field.name)
            if type(value) is not wanted:
                kind = {bool: "true or false", int: "a whole number", str: "text"}[wanted]
                raise SettingsError(f"The setting {field.name} must be {kind}, not {value!r}.")
        for name, (least, most) in LIMITS.items():
            if not least <= getattr(self, name) <= most:
                raise SettingsError(f"The setting {name} must lie between {least} and {most}.")
        if not _DEVICE.fullmatch(self.device):
            raise SettingsError(
                f"The setting device must be auto, cpu, cuda or mps, not {self.device!r}."
            )


LIMITS = {
    "threads": (0, 256),
    "tile": (0, 8192),
    "autosave_limit_mb": (1, 100_000),
    "autosave_days": (1, 3650),
}
"""Least and largest value of the settings that are numbers."""


def settings_path() -> Path:
    """Give the file."""
    return config_folder() / FILE_NAME


def read_settings() -> Settings:
    """Give the settings of the file; what is missing or wrong in it stands at its default."""
    return _read()[0]


def settings_problem() -> str:
    """Say in one sentence what is wrong with the file; empty if nothing is."""
    return _read()[1]


def write_settings(changes: Mapping[str, Any]) -> Settings:
    """Change some settings in the file, and give all of them.

    Entries that this version does not know stay in the file.

    Raises
    ------
    SettingsError
        If a value cannot be used; nothing is written.
    SaveError
        If the file cannot be written.
    """
    wanted = Settings(**{**asdict(read_settings()), **changes})
    path = settings_path()
    content = json.dumps({**_entries(path), **asdict(wanted)}, indent=2, ensure_ascii=False)
    try:
        make_folder(path.parent)
    except SaveError as error:
        raise SaveError(f"The settings were not saved. {error}") from error
    atomic_write(path, lambda to: to.write_text(content + "\n", encoding="utf-8"))
    _parsed.cache_clear()
    return wanted


def _read() -> tuple[Settings, str]:
    path = settings_path()
    try:
        state = path.stat()
    except OSError:
        return Settings(), ""
    return _parsed(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _parsed(path: Path, changed: int, size: int) -> tuple[Settings, str]:
    """Read the file anew whenever it has changed."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        entries = None
    if not isinstance(entries, dict):
        return Settings(), f"The settings in {path} cannot be read, so the defaults hold."
    chosen, wrong = _usable(entries)
    if not wrong:
        return chosen, ""
    names = ", ".join(wrong)
    return chosen, f"The settings in {path} hold values that cannot be used: {names}."


def _usable(entries: Mapping[str, Any]) -> tuple[Settings, list[str]]:
    """Give the settings with those entries that can be used, and the names of the others."""
    good: dict[str, Any] = {}
    wrong = []
    for name in (field.name for field in fields(Settings) if field.name in entries):
        try:
            Settings(**{name: entries[name]})
            good[name] = entries[name]
        except SettingsError:
            wrong.append(name)
    return Settings(**good), wrong


def _entries(path: Path) -> dict[str, Any]:
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}
