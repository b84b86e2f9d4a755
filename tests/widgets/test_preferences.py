"""The page in napari's Preferences and the file of settings say the same."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest
from napari.settings import get_plugin_settings
from napari.settings._plugin_config_generator import plugin_configuration_generator

from napari_medseg.io.settings_file import LIMITS
from napari_medseg.io.user_folders import CONFIG_VARIABLE
from napari_medseg.session.settings import Settings, change_settings, settings, settings_path
from napari_medseg.widgets.parts.preferences import PAGE, PLUGIN, Preferences


@pytest.fixture(autouse=True)
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))


@pytest.fixture
def page(tmp_path: Path):
    return plugin_configuration_generator()[PLUGIN](config_path=tmp_path / "page.yaml")


def test_the_page_has_every_setting_with_its_default_and_limits(page) -> None:
    assert PLUGIN in get_plugin_settings()
    shown = {name: getattr(page, heading) for heading in PAGE for name in PAGE[heading]}
    assert set(shown) == {field.name for field in fields(Settings)}
    for name, part in shown.items():
        assert getattr(part, name) == getattr(Settings(), name)
    for name, (least, most) in LIMITS.items():
        for wrong in (least - 1, most + 1):
            with pytest.raises(ValueError, match=name):
                setattr(shown[name], name, wrong)


def test_a_change_on_either_side_reaches_the_other(page) -> None:
    link = Preferences(page)
    page.computing.threads = 3
    assert settings().threads == 3
    change_settings(offline=True, tile=256)
    assert (page.models.offline, page.computing.tile) == (True, 256)
    change_settings(device="cuda:1")
    page.keys.shortcuts = False
    assert not settings().shortcuts
    assert link is not None


def test_the_side_that_was_changed_last_counts_at_the_start(page, tmp_path: Path) -> None:
    change_settings(threads=2)
    page.computing.threads = 5
    page.save()
    os.utime(settings_path(), (1, 1))
    first = Preferences(page)
    assert settings().threads == 5
    del first
    os.utime(tmp_path / "page.yaml", (1, 1))
    Preferences(page)
    assert page.computing.threads == settings().threads == 5
