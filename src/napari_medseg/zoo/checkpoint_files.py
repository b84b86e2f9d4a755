"""Open a checkpoint of any program without ever running code in it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.zoo.detect import without_prefixes
from napari_medseg.zoo.weights import WeightsError, read_safetensors

if TYPE_CHECKING:
    import torch

WRAPPERS = ("state_dict", "model_state_dict", "model", "net")


def read_state(source: Path) -> dict[str, torch.Tensor]:
    """Give the tensors of a checkpoint file, without wrappers and prefixes; runs no code in it.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, holds code, or holds no tensors under their names.
    """
    if not source.is_file():
        raise WeightsError(
            f"There is no file {source.name!r}: choose the checkpoint you downloaded."
        )
    if source.suffix == ".safetensors":
        return without_prefixes(read_safetensors(source, source.name))
    return _unwrapped(_load_without_code(source), source.name)


def _load_without_code(source: Path) -> Any:
    """Open a checkpoint with the reader that knows tensors and plain containers only.

    Training programs often save their settings beside the weights, as an argparse.Namespace with
    numbers of NumPy in it: these few harmless types are read too, nothing else ever.
    """
    import pickle

    import torch

    try:
        with torch.serialization.safe_globals(_harmless_types()):
            return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if not _starts_as_checkpoint(source):
            raise WeightsError(
                f"{source.name!r} is no checkpoint: choose a file of weights (.pt, .pth, "
                ".safetensors)."
            ) from error
        raise WeightsError(
            f"{source.name!r} is damaged or could run code, so it was not opened. "
            "Ask its authors for a state_dict or a safetensors file."
        ) from error
    except Exception as error:  # a damaged file can make the reader fail in any way
        raise WeightsError(
            f"{source.name!r} is damaged or no checkpoint: download it again."
        ) from error


def _starts_as_checkpoint(source: Path) -> bool:
    """Tell whether a file begins as torch writes them: as a ZIP archive or as a binary pickle."""
    with source.open("rb") as file:
        return file.read(4).startswith((b"PK", b"\x80"))


def _harmless_types() -> list[Any]:
    import numpy as np

    scalar: Any = np.float64(0).__reduce__()[0]
    numbers = (np.float64, np.float32, np.int64, np.int32, np.bool_)
    types: list[Any] = [type(np.dtype(number)) for number in numbers]
    old_names = [
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
    ]
    return [argparse.Namespace, np.dtype, *types, *old_names]


def _unwrapped(content: Any, name: str) -> dict[str, torch.Tensor]:
    import torch

    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = isinstance(content, dict) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    )
    if not tensors or not content:
        raise WeightsError(f"{name!r} holds no state_dict, that is, no tensors under their names.")
    return without_prefixes(
        {
            key: value.float() if value.is_floating_point() else value
            for key, value in content.items()
        }
    )
