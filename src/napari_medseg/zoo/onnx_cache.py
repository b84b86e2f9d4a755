"""Models as ONNX for this computer, written once and kept beside the user's models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medseg.io.atomic import atomic_write
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.onnx import write_onnx
from napari_medseg.zoo.registry import user_folder

if TYPE_CHECKING:
    from torch import nn

FOLDER = ".onnx"
"""No model has such a name."""


def cached_onnx(net: nn.Module, card: ModelCard, size: tuple[int, int]) -> bytes:
    """Give the content of a model's ONNX file for one image, which is written at the first call.

    It lies in the models folder under the hash of the weights, for one size, version of the
    package and way to build the net, with its own hash beside it. A file that is not what was
    written is written again.

    Parameters
    ----------
    net, card, size
        As for `napari_medseg.zoo.onnx.write_onnx`.

    Raises
    ------
    SaveError
        If the file cannot be written, or gives other logits than torch.
    """
    path = _path(card, size)
    content = _read(path)
    if content is None:
        write_onnx(net, card, size, path, single=True)
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        atomic_write(_hash_file(path), lambda file: file.write_text(digest, encoding="ascii"))
    return content


def cached_folder(card: ModelCard) -> Path:
    """Give the folder of a model's ONNX files, which need not be there."""
    return user_folder() / FOLDER / card.sha256


def _path(card: ModelCard, size: tuple[int, int]) -> Path:
    from napari_medseg import __version__

    built = json.dumps([__version__, card.net, dict(card.net_options)], sort_keys=True)
    mark = hashlib.sha256(built.encode()).hexdigest()[:12]
    return cached_folder(card) / f"{size[0]}x{size[1]}-{mark}.onnx"


def _hash_file(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _read(path: Path) -> bytes | None:
    """Give what is there, or None where nothing is, or not what was written."""
    try:
        content, stated = path.read_bytes(), _hash_file(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None
    return content if hashlib.sha256(content).hexdigest() == stated else None
