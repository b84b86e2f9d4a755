"""Settings: kept for good, obeyed at once, and never in the way when their file is bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_medseg.io.user_folders import CONFIG_VARIABLE
from napari_medseg.session.settings import (
    Settings,
    SettingsError,
    change_settings,
    settings,
    settings_changed,
    settings_path,
    settings_problem,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "config"))
    return tmp_path / "config"


def test_without_a_file_the_defaults_hold() -> None:
    assert settings() == Settings()
    assert settings_problem() == ""


def test_the_usual_place_follows_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE)
    assert settings_path().parent.name == "napari-medseg"


def test_a_change_is_kept_and_announced() -> None:
    heard: list[Settings] = []
    settings_changed.connect(heard.append)
    change_settings(threads=2, offline=True)
    change_settings(threads=2)
    settings_changed.disconnect(heard.append)
    assert settings() == Settings(threads=2, offline=True)
    assert heard == [Settings(threads=2, offline=True)]


@pytest.mark.parametrize(
    "wrong",
    [{"threads": -1}, {"device": "tpu"}, {"autosave": "yes"}, {"tile": 2.5}, {"threads": True}],
)
def test_a_value_that_cannot_be_is_refused_in_a_sentence(wrong: dict[str, object]) -> None:
    change_settings(tile=512)
    with pytest.raises(SettingsError, match=r"^The setting .*\.$"):
        change_settings(**wrong)
    assert settings() == Settings(tile=512)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00\x01"])
def test_a_damaged_file_means_defaults_and_one_sentence(folder: Path, text: str) -> None:
    folder.mkdir()
    settings_path().write_text(text)
    assert settings() == Settings()
    assert settings_problem().count(".json") == 1
    change_settings(threads=3)
    assert settings() == Settings(threads=3)
    assert settings_problem() == ""


def test_one_bad_value_costs_only_itself(folder: Path) -> None:
    folder.mkdir()
    settings_path().write_text(json.dumps({"tile": "big", "threads": 4, "later": 1}))
    assert settings() == Settings(threads=4)
    assert "tile" in settings_problem()


def test_what_a_later_version_set_stays(folder: Path) -> None:
    folder.mkdir()
    settings_path().write_text(json.dumps({"later": 1}))
    change_settings(threads=4)
    assert json.loads(settings_path().read_text())["later"] == 1


def test_a_folder_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path / "file" / "config"))
    assert settings() == Settings()
    with pytest.raises(OSError, match=r"not saved\. The folder .*config cannot be made"):
        change_settings(threads=4)
