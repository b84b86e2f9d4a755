"""Take a published checkpoint into the user's models, once, as safetensors with a card."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.io.atomic import atomic_folder
from napari_medseg.zoo.architectures import build_net
from napari_medseg.zoo.cards import CARD_FILE, ModelCard
from napari_medseg.zoo.registry import user_folder
from napari_medseg.zoo.weights import WeightsError, check_state, load_net, parse_safetensors

if TYPE_CHECKING:
    import torch

PUBLISHED: dict[str, dict[str, Any]] = {
    "UniverSeg": {
        "name": "universeg-v1",
        "title": "UniverSeg v1 (published weights)",
        "kind": "in-context",
        "input": {"size": [128, 128], "channels": 1, "range": [0, 1]},
        "description": "Segments what a few painted examples show, on any medical image.",
        "not_for": "Diagnosis. Its authors release the weights for research purposes only.",
        "licence": "OpenRAIL++-M (weights; terms of use travel with derivatives), research only",
        "citation": "Butoi, Gonzalez Ortiz et al., UniverSeg: Universal Medical Image "
        "Segmentation, ICCV 2023",
    },
}
"""What the card of a published checkpoint says, by the name of its net."""

WRAPPERS = ("state_dict", "model_state_dict", "model")
WEIGHTS_FILE = "model.safetensors"


def import_checkpoint(
    path: str | os.PathLike[str],
    net: str = "UniverSeg",
    *,
    name: str | None = None,
    net_options: Mapping[str, Any] | None = None,
) -> ModelCard:
    """Import a checkpoint of a known net into the user's models folder.

    The file is opened without ever running code in it, wrappers ("state_dict", "model") and the
    prefix "module." are taken off, every tensor must fit the net, and the result is loaded again
    before it gets its name.

    Parameters
    ----------
    path : path-like
        ``.pt``, ``.pth`` or ``.safetensors``.
    net : str
        A key of `napari_medseg.zoo.architectures.NETS`.
    name : str, optional
        What the model shall be called; by default the published name.
    net_options : mapping, optional
        Arguments of the net's constructor.

    Returns
    -------
    ModelCard
        Of the imported model; `list_models` shows it from now on.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, holds code, or belongs to another net.
    CardError
        If the net or the name cannot be used.
    SaveError
        If the model cannot be saved.
    """
    from safetensors.torch import save

    source = Path(path)
    state = _read_state(source)
    model = build_net(net, net_options)
    check_state(model, state, source.name)
    content = save({key: value.contiguous() for key, value in state.items()})
    about = {"title": net, "kind": "pretrained", "name": source.stem, **PUBLISHED.get(net, {})}
    card = ModelCard(
        **{**about, **({"name": name} if name else {})},
        net=net,
        net_options=dict(net_options or {}),
        file=WEIGHTS_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )
    user_folder().mkdir(parents=True, exist_ok=True)
    folder = atomic_folder(
        user_folder() / card.name,
        lambda target: _write(target, content, card),
        lambda target: load_net(replace(card, folder=target)),
        may_replace=lambda target: (target / CARD_FILE).exists(),
    )
    return replace(card, folder=folder)


def _write(folder: Path, content: bytes, card: ModelCard) -> None:
    (folder / WEIGHTS_FILE).write_bytes(content)
    (folder / CARD_FILE).write_text(card.to_json(), encoding="utf-8")


def _read_state(source: Path) -> dict[str, torch.Tensor]:
    if not source.is_file():
        raise WeightsError(
            f"There is no file {source.name!r}: choose the checkpoint you downloaded."
        )
    if source.suffix == ".safetensors":
        return parse_safetensors(source.read_bytes(), source.name)
    return _unwrapped(_load_without_code(source), source.name)


def _load_without_code(source: Path) -> Any:
    import pickle

    import torch

    try:
        return torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{source.name!r} is damaged or could run code, so it was not opened. "
            "Ask its authors for a state_dict or a safetensors file."
        ) from error
    except Exception as error:  # a damaged file can make the reader fail in any way
        raise WeightsError(
            f"{source.name!r} is damaged or no checkpoint: download it again."
        ) from error


def _unwrapped(content: Any, name: str) -> dict[str, torch.Tensor]:
    import torch

    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    tensors = isinstance(content, dict) and all(
        isinstance(value, torch.Tensor) for value in content.values()
    )
    if not tensors or not content:
        raise WeightsError(f"{name!r} holds no state_dict, that is, no tensors under their names.")
    return {
        key.removeprefix("module."): value.float() if value.is_floating_point() else value
        for key, value in content.items()
    }
