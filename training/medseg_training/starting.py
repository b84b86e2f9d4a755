"""What a training begins with: a model to go on from, a pretrained encoder, what stays frozen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from medseg_training.recipe_files import CONFIG_FILE, build_recipe, read_config
from medseg_training.run import checkpoints
from medseg_training.schema import SEEN, RunConfig, StartOptions
from napari_medseg.nets.condseg_encoder import ConDSegEncoder
from napari_medseg.nets.swin_unet import SwinUNet
from napari_medseg.nets.swin_weights import fit_positions, start_from_swin_t
from napari_medseg.zoo.cards import CARD_FILE, CardError, ModelCard
from napari_medseg.zoo.checkpoint_files import read_state
from napari_medseg.zoo.registry import get_card
from napari_medseg.zoo.specs import InputSpec
from napari_medseg.zoo.weights import load_net


class StartError(ValueError):
    """Weights cannot be started from; the message says why."""


def adopt_model(config: RunConfig) -> RunConfig:
    """Fill in net and input of the model that a recipe starts from, where it names no net itself.

    Parameters
    ----------
    config
        A recipe; one that names a net is given back as it is.

    Raises
    ------
    StartError, CardError
        When there is no such model, or it is none that can be fitted so.
    """
    if config.net.name:
        return config
    content = config.model_dump()
    name = config.start.model
    stated = config.data.model_fields_set
    if (Path(name) / CONFIG_FILE).exists():
        source = read_config(Path(name))
        if not isinstance(source, RunConfig):
            raise StartError(f"{name} is a run of an in-context net; train it with its own recipe.")
        content["net"] = source.net.model_dump()
        own = {key: source.model_dump()["data"][key] for key in SEEN}
    else:
        card = card_of(name)
        if card.kind != "pretrained":
            raise StartError(f"The model {card.name} learns from examples; it is not fitted so.")
        content["net"] = {"name": card.net, "options": _free_options(card)}
        own = _input_of(card)
    content["data"] |= {key: value for key, value in own.items() if key not in stated}
    adopted = build_recipe(content)
    assert isinstance(adopted, RunConfig)
    return adopted


def card_of(name: str) -> ModelCard:
    """Give the card of a model: a folder, or a name of the zoo.

    Raises
    ------
    CardError
        When there is none.
    """
    folder = Path(name)
    return ModelCard.from_folder(folder) if (folder / CARD_FILE).exists() else get_card(name)


def apply_start(net: nn.Module, start: StartOptions) -> list[str]:
    """Give a fresh net the weights that a recipe starts from.

    Returns
    -------
    list of str
        Entries that kept their random start: the classifier, where the classes are others, and
        what a backbone does not have.

    Raises
    ------
    StartError, WeightsError, CardError
        When the file cannot be read, or belongs to another net.
    """
    if start.model:
        return _take_all(net, weights_of(start.model), start.model)
    if start.backbone:
        return _take_backbone(net, weights_of(start.backbone), start)
    return []


def weights_of(name: str) -> dict[str, Tensor]:
    """Give the weights of a run folder, a model folder, a model of the zoo or a checkpoint file.

    Raises
    ------
    StartError, WeightsError, CardError, CheckpointError
        When there are none.
    """
    path = Path(name)
    if (path / CONFIG_FILE).exists():
        return checkpoints.load_trained(path / "checkpoints")[0]
    if path.is_file():
        return read_state(path)
    try:
        return load_net(card_of(name)).state_dict()
    except CardError as error:
        raise StartError(
            f"There are no weights at {name!r}: give a model of the zoo, a model or run folder, or "
            f"a checkpoint file. {error}"
        ) from error


def _take_all(net: nn.Module, state: Mapping[str, Tensor], name: str) -> list[str]:
    if isinstance(net, SwinUNet):
        state = fit_positions(state, net)
    own = net.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and v.shape == own[k].shape}
    left = [key for key in own if key not in fitting]
    if len(left) > 0.1 * len(own):
        raise StartError(
            f"The weights of {name!r} belong to another net: {len(left)} of its {len(own)} entries "
            f"are missing or have another shape, {left[0]!r} is one."
        )
    net.load_state_dict({**own, **fitting})
    return left


def _take_backbone(net: nn.Module, state: Mapping[str, Tensor], start: StartOptions) -> list[str]:
    """Load an encoder by the rules of its publication: Swin-T, ResNet, PVT v2, ConDSeg stage 1."""
    before = set(net.state_dict())
    try:
        if isinstance(net, SwinUNet):
            return start_from_swin_t(net, state)
        if isinstance(net, ConDSegEncoder):
            net.load_backbone(state, statistics=start.statistics)
            return sorted(key for key in before if not key.startswith(net.prefixes))
    except ValueError as error:
        raise StartError(f"{start.backbone}: {error}") from error
    raise StartError(
        f"There is no published rule to load a backbone into {type(net).__name__}; use start.model."
    )


def _free_options(card: ModelCard) -> dict[str, Any]:
    """Give the options that do not follow from the data."""
    from_data = ("n_classes", "in_channels", "image_size")
    return {key: value for key, value in card.net_options.items() if key not in from_data}


def _input_of(card: ModelCard) -> dict[str, Any]:
    spec = InputSpec.of(card)
    scaling = spec.scaling
    return {
        "size": spec.size,
        "fit": spec.fit,
        "channels": spec.channels,
        "order": spec.order,
        "scaling": {"kind": scaling.kind, "low": scaling.low, "high": scaling.high},
        "mean": spec.mean,
        "std": spec.std,
    }
