"""Checkpoints that survive a crash: written whole or not at all; the previous one is kept."""

from __future__ import annotations

import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from napari_medseg.io.atomic import atomic_write

LAST, PREVIOUS = "last.ckpt", "last.prev.ckpt"


class CheckpointError(OSError):
    """No checkpoint of a run can be read; the message says which were tried."""


def save(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` as the last checkpoint of `folder`; the one before becomes the previous one."""
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / LAST
    if last.exists():
        os.replace(last, folder / PREVIOUS)
    return atomic_write(last, lambda path: torch.save(state, path), verify=_read)


def load(folder: Path) -> dict[str, Any]:
    """Read the last checkpoint, or the previous one where the last is damaged or missing.

    Raises
    ------
    CheckpointError
        When neither can be read.
    """
    for name in (LAST, PREVIOUS):
        try:
            return _read(folder / name)
        except (OSError, RuntimeError, EOFError, ValueError, UnpicklingError):
            continue
    raise CheckpointError(f"{folder} holds no readable checkpoint ({LAST}, {PREVIOUS}).")


def _read(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
