"""Look into a checkpoint before it is imported: which net it is, whether every entry fits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_medseg.zoo.architectures import build_net
from napari_medseg.zoo.checkpoint_files import read_state
from napari_medseg.zoo.checkpoints import completed, plain_name, which_net
from napari_medseg.zoo.published import about
from napari_medseg.zoo.weights import KeyReport, compare_state


@dataclass(frozen=True)
class Inspection:
    """What a checkpoint turned out to be.

    Parameters
    ----------
    path : Path
        The file.
    net : str
        A key of `napari_medseg.zoo.architectures.NETS`.
    net_options : mapping
        Arguments of its constructor.
    report : KeyReport
        How names and shapes compare with the net's.
    suggested : mapping
        Fields of the card as far as the net tells them, with a ``name``; they can be changed.
    """

    path: Path
    net: str
    net_options: Mapping[str, Any]
    report: KeyReport
    suggested: Mapping[str, Any]


def inspect_checkpoint(path: str | os.PathLike[str], net: str | None = None) -> Inspection:
    """Say what a checkpoint is, without importing it and without running code in it.

    Parameters
    ----------
    path : path-like
        ``.pt``, ``.pth`` or ``.safetensors``.
    net : str, optional
        Compare it with this net; by default the one that the tensors tell.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, holds code, or belongs to no known net.
    CardError
        If the net cannot be built.
    """
    source = Path(path)
    state = read_state(source)
    name, options = which_net(state, net, None, source.name)
    model = build_net(name, options)
    report = compare_state(model, completed(model, state))
    suggested = {"name": plain_name(source.stem), **about(name, options)}
    return Inspection(source, name, options, report, suggested)
