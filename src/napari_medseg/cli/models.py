"""``napari-medseg models``: which models there are, and how to bring them in and hand them on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli.report import WRONG, fail, print_json, refuse, refusing, say

if TYPE_CHECKING:
    from napari_medseg.zoo.cards import ModelCard
    from napari_medseg.zoo.downloads import Download, Downloaded


_LINE = 60
_LISTED = 12
"""Entries of a list that are shown; the JSON has all of them."""


class Kind(StrEnum):
    """What models are written as."""

    folder = "folder"
    onnx = "onnx"


models = typer.Typer(help="Models: list, info, download, import, export, remove.")
Json = Annotated[bool, typer.Option("--json", help="Print as JSON.")]


@models.callback(invoke_without_command=True)
def about_models(context: typer.Context) -> None:
    """Say what can be done with models, where nothing was asked for."""
    if context.invoked_subcommand is None:
        say(context.get_help())
        raise typer.Exit(WRONG)


@models.command("list")
def list_(json_: Json = False) -> None:
    """List all models, and whether they are on this computer."""
    from napari_medseg.zoo.registry import find_models

    cards, left_out = find_models()
    for sentence in left_out:
        say(sentence)
    if json_:
        print_json([_fields(card) for card in cards])
        return
    width = max((len(card.name) for card in cards), default=0)
    for card in cards:
        typer.echo(f"{card.name:{width}}  {card.kind:10}  {card.state:11}  {card.title}")


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
    for line in _lines(_fields(card)):
        typer.echo(line)


@models.command()
def download(
    name: str,
    accept: Annotated[
        bool, typer.Option("--accept", help="Agree to the model's terms without being asked.")
    ] = False,
    json_: Json = False,
) -> None:
    """Download the weights of a published model, after showing its terms."""
    from napari_medseg.zoo.cards import CardError
    from napari_medseg.zoo.downloads import download_job
    from napari_medseg.zoo.registry import get_card

    with refusing(CardError):
        card = get_card(name)
        if card.state == "present":
            raise CardError(f"The model {name!r} is on this computer already.")
    say(f"{card.title}. Licence: {card.licence}")
    if card.source.get("note"):
        say(str(card.source["note"]))
    if not accept and not typer.confirm("Do you agree to these terms?", err=True):
        refuse("Nothing was downloaded.")
    job = download_job(card)
    try:
        with refusing(CardError):
            _report(_drive(job, card.name), "Downloaded", json_)
    except (ValueError, OSError) as error:
        fail(str(error))


@models.command("import")
def import_(
    path: Annotated[
        Path, typer.Argument(help="A checkpoint (.pt, .pth, .safetensors) or a model folder.")
    ],
    net: Annotated[
        str | None, typer.Option(help="The network it belongs to; by default found out.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What the model shall be called.")] = None,
    classes: Annotated[
        str | None, typer.Option(help="What it segments: names with commas, no background.")
    ] = None,
    input_: Annotated[
        str | None, typer.Option("--input", help="Entries of the card's input, as JSON.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Another model of that name may go.")
    ] = False,
    json_: Json = False,
) -> None:
    """Bring in a checkpoint or an exported model; it is checked first, and no code in it runs."""
    from napari_medseg.zoo.cards import CardError
    from napari_medseg.zoo.checkpoints import import_checkpoint
    from napari_medseg.zoo.exchange import import_model

    if not path.exists():
        refuse(f"There is no such file: {path}; check the name.")
    fields: dict[str, Any] = {}
    if classes is not None:
        fields["classes"] = tuple(part.strip() for part in classes.split(",") if part.strip())
    if input_ is not None:
        fields["input"] = _parsed(input_)
    try:
        with refusing(CardError):
            if path.is_dir():
                card = import_model(path, name=name, replaces=replace)
            else:
                card = import_checkpoint(path, net, name=name, replaces=replace, **fields)
    except (ValueError, OSError) as error:
        fail(str(error))
    _report(card, "Imported", json_)


@models.command()
def export(
    name: str,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Where to put the model's folder.", metavar="OUT")
    ],
    to: Annotated[
        Kind, typer.Option(help="A folder that can be imported, or an ONNX file.")
    ] = Kind.folder,
    json_: Json = False,
) -> None:
    """Write a model as a folder that another computer can import, or as ONNX."""
    from napari_medseg.zoo.cards import CardError
    from napari_medseg.zoo.exchange import export_model
    from napari_medseg.zoo.onnx import export_onnx

    write = export_onnx if to is Kind.onnx else export_model
    try:
        with refusing(CardError, ImportError):
            folder = write(name, out)
    except (ValueError, OSError) as error:
        fail(str(error))
    say(f"{name} -> {folder}")
    if json_:
        print_json({"name": name, "output": str(folder)})


@models.command()
def remove(name: str, json_: Json = False) -> None:
    """Remove a model of yours from this computer, with its weights."""
    from napari_medseg.zoo.cards import CardError
    from napari_medseg.zoo.exchange import remove_model

    try:
        with refusing(CardError):
            remove_model(name)
    except OSError as error:
        fail(str(error))
    say(f"Removed {name}.")
    if json_:
        print_json({"name": name, "removed": True})


def _drive(job: Download, title: str) -> ModelCard:
    """Run a download to its end under a bar where stderr is a terminal."""
    from napari_medseg.cli.report import run_job
    from napari_medseg.engine.results import Progress, retold

    def tell(step: Downloaded) -> Progress:
        return Progress(step.done, max(step.total, step.done), "downloading")

    return run_job(retold(job, tell), title)


def _parsed(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        refuse(f"--input is no JSON: {error}.")
    if not isinstance(content, dict):
        refuse('--input must be a JSON object, such as {"size": [256, 256]}.')
    return content


def _report(card: ModelCard, what: str, json_: bool) -> None:
    say(f"{what} as {card.name}.")
    if json_:
        print_json(_fields(card))


def _fields(card: ModelCard) -> dict[str, Any]:
    fields = {key: value for key, value in asdict(card).items() if key != "folder"}
    return fields | {"state": card.state}


def _lines(fields: Mapping[str, Any], indent: str = "") -> list[str]:
    """Give named values under each other, those inside a value further in."""
    lines = []
    width = max(len(key) for key in fields)
    for key, value in fields.items():
        name = key.replace("_", " ")
        if value in (None, "", (), [], {}):
            continue
        if isinstance(value, Mapping) and not _is_short(value):
            lines += [f"{indent}{name}", *_lines(value, f"{indent}  ")]
        elif _holds_tables(value):
            lines.append(f"{indent}{name}")
            lines += [f"{indent}  - {_shown(part)}" for part in value[:_LISTED]]
            if len(value) > _LISTED:
                lines.append(f"{indent}  … {len(value) - _LISTED} more (all of it with --json)")
        else:
            lines.append(f"{indent}{name:{width}}  {_shown(value)}")
    return lines


def _is_short(value: Mapping[str, Any]) -> bool:
    """Whether named values fit into a line: a few numbers or words."""
    flat = not any(isinstance(part, (Mapping, list, tuple)) for part in value.values())
    return flat and len(_shown(value)) < _LINE


def _holds_tables(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(isinstance(part, Mapping) for part in value)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
