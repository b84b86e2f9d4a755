"""The dock Settings, and that docks, zoo and jobs obey it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from napari.components import ViewerModel

from napari_medseg.engine import devices
from napari_medseg.engine.results import Progress
from napari_medseg.io.user_folders import CONFIG_VARIABLE
from napari_medseg.session.settings import change_settings, settings, settings_path
from napari_medseg.widgets.parts.by_example.details import Details
from napari_medseg.widgets.parts.cluster.details import ClusterDetails
from napari_medseg.widgets.parts.jobs.button import JobButton
from napari_medseg.widgets.settings import SettingsDock
from napari_medseg.zoo.downloads import DownloadError, download_job
from napari_medseg.zoo.registry import list_models, user_folder

from .by_example import press_and_wait

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG_VARIABLE, str(tmp_path))


def test_what_is_changed_in_the_dock_is_kept(qtbot: QtBot, tmp_path: Path) -> None:
    dock = SettingsDock(ViewerModel())
    qtbot.addWidget(dock)
    dock.offline.click()
    dock.threads.setValue(2)
    dock.threads.editingFinished.emit()
    dock.device.setCurrentIndex(dock.device.findData("cpu"))
    dock.device.activated.emit(dock.device.currentIndex())
    dock.folder.setText(str(tmp_path / "models"))
    dock.folder.editingFinished.emit()
    now = settings()
    assert (now.offline, now.threads, now.device) == (True, 2, "cpu")
    assert now.cache_folder == str(tmp_path / "models")
    assert "Saved." in dock.message.text()


def test_a_damaged_file_is_told_and_mended(qtbot: QtBot) -> None:
    settings_path().write_text("{")
    dock = SettingsDock(ViewerModel())
    qtbot.addWidget(dock)
    assert "cannot be read" in dock.message.text()
    dock.shortcuts.click()
    assert settings().shortcuts is False


def test_docks_start_as_set_and_follow(qtbot: QtBot) -> None:
    change_settings(device="cpu", shortcuts=False)
    details, clusters = Details(), ClusterDetails()
    for widget in (details, clusters):
        qtbot.addWidget(widget)
    assert details.device.currentData() == clusters.device.currentData() == "cpu"
    assert not details.shortcuts.isChecked()
    change_settings(device="auto", shortcuts=True)
    assert details.device.currentData() == "auto"
    assert details.shortcuts.isChecked()


def test_a_job_takes_as_many_cores_as_set(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_medseg.widgets.parts.jobs import button as job_button

    asked: list[int] = []
    monkeypatch.setattr(job_button, "limit_threads", asked.append)
    change_settings(threads=3)
    button = JobButton("Work", lambda: iter_once())
    qtbot.addWidget(button)
    press_and_wait(qtbot, button)
    assert asked == [3]


def test_limiting_cores_reaches_torch() -> None:
    import torch

    before = torch.get_num_threads()
    devices.limit_threads(0)
    assert torch.get_num_threads() == before
    devices.limit_threads(2)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_the_zoo_keeps_models_where_it_is_told_and_downloads_nothing_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NAPARI_MEDSEG_MODELS", raising=False)
    change_settings(cache_folder=str(tmp_path / "models"), offline=True)
    assert user_folder() == tmp_path / "models"
    card = next(card for card in list_models() if card.state == "to download")
    with pytest.raises(DownloadError, match="the settings say to work offline"):
        next(download_job(card))


def iter_once():
    yield Progress(1, 1)
    return None
