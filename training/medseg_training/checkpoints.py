"""Checkpoints that survive a crash: written whole or not at all; the previous one is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from napari_medseg.io.atomic import atomic_write

LAST, PREVIOUS = "last.ckpt", "last.prev.ckpt"
BEST = "best.safetensors"


class CheckpointError(OSError):
    """No checkpoint of a run can be read; the message says which were tried."""


def save(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` as the last checkpoint of `folder`; the one before becomes the previous one.

    Whenever the process is killed, one of the two is whole.
    """
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


def save_weights(folder: Path, weights: Mapping[str, Tensor]) -> Path:
    """Write the best weights so far, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    # Tensors of one storage, such as attention masks, are written one by one.
    content = {key: value.detach().cpu().clone().contiguous() for key, value in weights.items()}
    return atomic_write(folder / BEST, lambda path: save_file(content, path), verify=load_file)


def load_trained(folder: Path) -> tuple[dict[str, Tensor], int]:
    """Give the weights to export and the step they are of: the best, else the last average.

    The step is that of the last checkpoint, however early the best weights were found.

    Raises
    ------
    CheckpointError
        When no checkpoint can be read.
    """
    state = load(folder)
    weights = state.get("average", state["net"])
    best = folder / BEST
    if best.exists():
        weights = load_file(best)
    return weights, int(state["step"])


def _read(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state
