"""Checkpoints that survive a crash: written whole or not at all; the previous one is kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as as_bytes
from torch import Tensor

from napari_medseg.io.atomic import atomic_write, force_to_disk, reading_back, replacing

LAST, PREVIOUS = "last.ckpt", "last.prev.ckpt"
BEST = "best.safetensors"
_DAMAGE = (OSError, RuntimeError, EOFError, ValueError, UnpicklingError)
"""What reading a file that is damaged or missing raises."""


class CheckpointError(OSError):
    """No checkpoint of a run can be read; the message says which were tried."""


def save(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` as the last checkpoint of `folder`; the one before becomes the previous one.

    Whenever the process is killed, one of the two is whole: the one before makes way only for a
    whole file, and takes the place of the previous one only if it can be opened itself (damage
    within its tensors is not looked for).
    """
    folder.mkdir(parents=True, exist_ok=True)
    last = folder / LAST
    with replacing(last) as temporary:
        _write(state, temporary)
        with reading_back(temporary, last):
            _read(temporary)
        if _is_whole(last):
            force_to_disk(temporary)
            os.replace(last, folder / PREVIOUS)
    return last


def load(folder: Path) -> dict[str, Any]:
    """Read the last checkpoint, or the previous one where the last is damaged or missing.

    Raises
    ------
    CheckpointError
        When neither can be read.
    """
    for name in (LAST, PREVIOUS):
        with suppress(*_DAMAGE):
            return _read(folder / name)
    raise CheckpointError(f"{folder} holds no readable checkpoint ({LAST}, {PREVIOUS}).")


def save_weights(folder: Path, weights: Mapping[str, Tensor]) -> Path:
    """Write the best weights so far, and nothing else."""
    folder.mkdir(parents=True, exist_ok=True)
    # Tensors of one storage, such as attention masks, are written one by one.
    content = {key: value.detach().cpu().clone().contiguous() for key, value in weights.items()}
    return atomic_write(
        folder / BEST, lambda path: path.write_bytes(as_bytes(content)), verify=load_file
    )


def is_begun(folder: Path) -> bool:
    """Say whether there is a checkpoint, readable or not."""
    return (folder / LAST).exists() or (folder / PREVIOUS).exists()


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


def _write(state: dict[str, Any], path: Path) -> None:
    """Write with a file of Python's, which says why a disk takes no more; torch's does not."""
    try:
        with open(path, "wb") as stream:
            torch.save(state, stream)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def _read(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    return state


def _is_whole(path: Path) -> bool:
    """Say whether a checkpoint can be read; its tensors are left on the disk."""
    with suppress(*_DAMAGE):
        _read(path, mapped=True)
        return True
    return False
