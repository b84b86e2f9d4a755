"""Where the app keeps what belongs to the user of a computer."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

CONFIG_VARIABLE = "NAPARI_MEDSEG_CONFIG"
_APP = "napari-medseg"


def data_folder() -> Path:
    """Give the folder of what the app makes: models, runs, unsaved labels and keys."""
    return platformdirs.user_data_path(_APP)


def former_key_folder() -> Path:
    """Give the folder that keys had earlier; it is another than `data_folder` on Windows alone."""
    return platformdirs.user_data_path(_APP, appauthor=False)


def config_folder() -> Path:
    """Give the folder of the settings: the one that `CONFIG_VARIABLE` names, where it is set."""
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_config_path(_APP)
