"""Take a published checkpoint into the user's models, once, as safetensors with a card."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.zoo.architectures import NETS, build_net
from napari_medseg.zoo.cards import WEIGHTS_FILE, CardError, ModelCard
from napari_medseg.zoo.checkpoint_files import read_state
from napari_medseg.zoo.detect import detect_net, marked_net, options_of
from napari_medseg.zoo.model_folder import write_model_folder
from napari_medseg.zoo.published import about
from napari_medseg.zoo.registry import bundled_names, user_folder
from napari_medseg.zoo.specs import InputSpec, OutputSpec
from napari_medseg.zoo.weights import WeightsError, check_state

if TYPE_CHECKING:
    import torch

_USUAL: dict[str, dict[str, int]] = {
    "SwinUNet": {"n_classes": 2},
    "UNet": {"in_channels": 1, "n_classes": 2},
}
"""What nets that have no default must be told to be built at all."""


def import_checkpoint(
    path: str | os.PathLike[str],
    net: str | None = None,
    *,
    name: str | None = None,
    net_options: Mapping[str, Any] | None = None,
    replaces: bool = False,
    **fields: Any,
) -> ModelCard:
    """Import a checkpoint of a known net into the user's models folder.

    The file is opened without ever running code in it; wrappers ("state_dict", "model") and the
    prefixes of DataParallel and of the published SwinUNet are taken off; net, number of classes,
    channels and width are read from the tensors; every tensor must fit the net; and the result is
    loaded again before it gets its name.

    Parameters
    ----------
    path : path-like
        ``.pt``, ``.pth`` or ``.safetensors``.
    net : str, optional
        A key of `napari_medseg.zoo.architectures.NETS`; by default the one that the tensors tell.
    name : str, optional
        What the model shall be called; by default the published name, or the file's.
    net_options : mapping, optional
        Arguments of the net's constructor; by default those that the tensors tell.
    replaces : bool
        Whether another model of that name may go.
    **fields
        Further fields of the `ModelCard`, such as ``classes``, ``input``, ``licence``; ``input``
        is laid over the default one entry by entry.

    Returns
    -------
    ModelCard
        Of the imported model; `list_models` shows it from now on.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, holds code, or belongs to another net.
    CardError
        If the net, the name or a field cannot be used, or another model has the name.
    SaveError
        If the model cannot be saved.
    """
    source = Path(path)
    state = read_state(source)
    net, options = which_net(state, net, net_options, source.name)
    model = build_net(net, options)
    state = completed(model, state)
    check_state(model, state, source.name)
    return _install(source, state, _card_fields(source, net, options, name, fields), replaces)


def which_net(
    state: Mapping[str, torch.Tensor],
    net: str | None,
    options: Mapping[str, Any] | None,
    file: str,
) -> tuple[str, dict[str, Any]]:
    """Give the net and its options: those asked for, else those that the tensors tell.

    Where the tensors do not tell all of a net's options, the rest is as usual, so that what is
    missing can be listed.

    Raises
    ------
    WeightsError
        If no net was asked for and the tensors tell none.
    """
    found = detect_net(state)
    wanted = net or (found[0] if found else marked_net(state))
    if wanted is None:
        raise WeightsError(
            f"{file!r} belongs to none of the known networks; name the network if it is one of "
            "ConDSeg, ConDSegStage1, SwinUNet, UNet, UniverSeg."
        )
    if options is not None:
        return wanted, dict(options)
    if found is not None and wanted == found[0]:
        return found
    if wanted not in NETS:
        return wanted, {}
    usual = _USUAL.get(wanted)
    return wanted, options_of(wanted, state, lambda: build_net(wanted, usual).state_dict())


def completed(net: torch.nn.Module, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Add what follows from the net alone: counters of batches, and SwinUNet's indices and masks.

    Some programs leave them out when they save a state dict; a wrong one is still refused.
    """
    derived = (".num_batches_tracked", ".relative_position_index", ".attn_mask")
    own = net.state_dict()
    missing = {key: own[key] for key in own if key.endswith(derived) and key not in state}
    return {**state, **missing}


def _card_fields(
    source: Path,
    net: str,
    options: Mapping[str, Any],
    name: str | None,
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """Put the card together: what is published, under what the user says."""
    try:
        known = about(net, options)
    except KeyError as error:
        raise CardError(f"The net {net} needs the option {error} to be imported.") from error
    stated = {**known.get("input", {}), **fields.get("input", {})}
    card = {"name": plain_name(source.stem), **known, **fields, "input": stated}
    return {**card, **({"name": name} if name else {}), "net": net, "net_options": options}


def plain_name(name: str) -> str:
    """Give a name that a model can have everywhere: plain letters, digits, dots and dashes.

    Letters lose their accents.
    """
    name = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    name = "".join(c for c in name if not unicodedata.combining(c))
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)
    return kept.strip("._-") or "model"


def _install(
    source: Path, state: dict[str, torch.Tensor], fields: dict[str, Any], replaces: bool
) -> ModelCard:
    """Write card and weights as a folder of the user's models, and load them again."""
    from safetensors.torch import save

    content = save({key: value.contiguous() for key, value in state.items()})
    origin = {"file": source.name, "sha256": hashlib.sha256(source.read_bytes()).hexdigest()}
    card = ModelCard(
        **{**fields, "source": {**fields.get("source", {}), **origin}},
        file=WEIGHTS_FILE,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )
    if card.kind == "pretrained":
        check_card(card)
    return install(card, content, replaces=replaces)


def check_card(card: ModelCard) -> None:
    """Make sure that a pretrained model's card fits its net.

    What a net of another package takes and gives is only known when it runs, and checked there.

    Raises
    ------
    CardError
        If input or output are not stated, channels, size or number of classes are not the net's,
        or two classes have one name.
    """
    doubled = sorted({name for name in card.classes if card.classes.count(name) > 1})
    if doubled:
        raise CardError(f"Model {card.name!r} names two classes {doubled[0]!r}; name each once.")
    _check_input(card)
    output = OutputSpec.of(card)
    channels = card.net_options.get("n_classes", 1)
    if card.net in NETS and output.channels != channels:
        raise CardError(
            f"Model {card.name!r} gives {channels} maps, so {channels - (channels > 1)} classes "
            f"must be named without the background, not {output.n_classes}."
        )


def _check_input(card: ModelCard) -> None:
    spec, options = InputSpec.of(card), card.net_options
    unknown = InputSpec.unknown_entry(card.input)
    if unknown:
        raise CardError(f"The entry 'input' of model {card.name!r} knows no {unknown}.")
    taken = {"UNet": options.get("in_channels"), "ConDSeg": 3, "ConDSegStage1": 3}.get(card.net)
    if taken not in (None, spec.channels):
        raise CardError(
            f"The net of model {card.name!r} takes {taken} channel{'s' * (taken != 1)}, its card "
            f"says {spec.channels}: correct 'channels' in its entry 'input'."
        )
    side = options.get("image_size", 224)
    if card.net == "SwinUNet" and spec.size != (side, side):
        raise CardError(
            f"The net of model {card.name!r} takes {side} × {side} pixels and no others: correct "
            "'size' in its entry 'input'."
        )


def install(
    card: ModelCard, content: bytes, readme: str = "", *, replaces: bool = False
) -> ModelCard:
    """Put a model into the user's folder, loaded once to prove it.

    Parameters
    ----------
    card : ModelCard
        Of the model.
    content : bytes
        Of its file of weights.
    readme : str
        The page to read beside them; empty for none.
    replaces : bool
        Whether a model of other weights that has the name may go.

    Raises
    ------
    CardError
        If the name is that of a bundled model, or of another one and this may not go.
    WeightsError
        If the weights are not those of the card.
    SaveError
        If the model cannot be saved.
    """
    if card.name in bundled_names():
        raise CardError(
            f"A model named {card.name!r} comes with the package: choose another name for yours."
        )
    if not replaces and another_installed(card) is not None:
        raise CardError(
            f"You have another model named {card.name!r}: remove it first, give this one another "
            "name (--name), or let it be replaced (--replace)."
        )

    folder = write_model_folder(card, content, readme, user_folder() / card.name)
    return dataclasses.replace(card, folder=folder)


def another_installed(card: ModelCard) -> ModelCard | None:
    """Give the user's model of the same name but other weights; one with a broken card is none."""
    try:
        here = ModelCard.from_folder(user_folder() / card.name)
    except CardError:
        return None
    return here if here.sha256 != card.sha256 else None
