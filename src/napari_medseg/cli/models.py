"""``napari-medseg models``: which models there are, what they are for, and how to bring one in."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli.report import fail, print_json, refusing, say

if TYPE_CHECKING:
    from napari_medseg.zoo.cards import ModelCard

models = typer.Typer(help="Models of this computer: list, info, import.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@models.command("list")
def list_(json_: Json = False) -> None:
    """List the models of this computer."""
    from napari_medseg.zoo.registry import list_models

    with warnings.catch_warnings(record=True) as notices:
        warnings.simplefilter("always")
        cards = list_models()
    for notice in notices:
        say(str(notice.message))
    if json_:
        print_json([_fields(card) for card in cards])
        return
    if not cards:
        say("There are no models yet; bring one in with: napari-medseg models import FILE")
    width = max((len(card.name) for card in cards), default=0)
    for card in cards:
        typer.echo(f"{card.name:{width}}  {card.kind:10}  {card.title}")


@models.command()
def info(name: str, json_: Json = False) -> None:
    """Say what a model is for, what it expects, its terms, and how good it was."""
    from napari_medseg.zoo.cards import CardError
    from napari_medseg.zoo.registry import get_card

    with refusing(CardError):
        card = get_card(name)
    if json_:
        print_json(_fields(card))
        return
    for key, value in _fields(card).items():
        if value:
            typer.echo(f"{key.replace('_', ' '):12} {_shown(value)}")


@models.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="A checkpoint: .pt, .pth or .safetensors.")],
    net: Annotated[str, typer.Option(help="The network it belongs to.")] = "UniverSeg",
    name: Annotated[str | None, typer.Option(help="What the model shall be called.")] = None,
    json_: Json = False,
) -> None:
    """Bring in a published checkpoint; it is checked, and converted once to safetensors."""
    from napari_medseg.zoo.cards import CardError
    from napari_medseg.zoo.checkpoints import import_checkpoint
    from napari_medseg.zoo.weights import WeightsError

    try:
        with refusing(CardError):
            card = import_checkpoint(path, net, name=name)
    except (WeightsError, OSError) as error:
        fail(str(error))
    say(f"Imported as {card.name}.")
    if json_:
        print_json(_fields(card))


def _fields(card: ModelCard) -> dict[str, Any]:
    return {key: value for key, value in asdict(card).items() if key != "folder"}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(part) for part in value)
    return str(value)
