"""Packages import their names on first use: each name that they promise must be there."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.parametrize(
    "package", ["napari_medseg", "napari_medseg.nets", "medseg_training.losses"]
)
def test_every_promised_name_is_there(package: str) -> None:
    module = import_module(package)
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert module.__all__
    assert not missing
