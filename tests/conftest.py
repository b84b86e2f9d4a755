"""Fixtures that all tests share."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_medseg.io.user_folders import CONFIG_VARIABLE


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the settings of whoever runs the tests out of them, and the tests out of those."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CONFIG_VARIABLE, str(tmp_path_factory.mktemp("config")))
        patch.setenv("NAPARI_MEDSEG_JOURNAL", str(tmp_path_factory.mktemp("unsaved")))
        # For the programs that tests start; napari reads it when it is imported.
        patch.setenv("NAPARI_CONFIG", str(tmp_path_factory.mktemp("napari") / "settings.yaml"))
        yield


@pytest.fixture(autouse=True)
def no_preferences_of_the_user(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep docks from being linked with napari's Preferences, which outlive a test and a run."""
    if request.node.get_closest_marker("gui"):
        monkeypatch.setattr("napari_medseg.widgets.parts.preferences._linked", [None])


@pytest.fixture(autouse=True)
def forget_other_tests(request: pytest.FixtureRequest) -> None:
    """Let Python's collector pass over what thousands of earlier tests left.

    napari has it look through all objects whenever a layer is removed, and it holds the lock
    meanwhile. They are several times as many here as in a user's session: half a second then, in
    whatever thread happens to run.
    """
    if request.node.get_closest_marker("gui"):
        gc.collect()
        gc.freeze()


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference material beside the checkout; tests that want it skip where it is absent."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("the reference material is not beside this checkout")
    return folder
