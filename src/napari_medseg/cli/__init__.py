"""The command ``napari-medseg``: what the docks do, without a screen; thin, over the engine.

Exit status 0: done. 1: the job failed, wholly or for some inputs. 2: the request was wrong and
nothing was started. Messages go to stderr; ``--json`` prints one JSON document on stdout. Whatever
is heavy (torch, napari) is imported where it is used, so that ``--help`` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from napari_medseg.cli.by_example import by_example
from napari_medseg.cli.cluster import cluster
from napari_medseg.cli.export import export
from napari_medseg.cli.group import Commands
from napari_medseg.cli.measure import compare, measure
from napari_medseg.cli.models import models
from napari_medseg.cli.objects import objects
from napari_medseg.cli.segment import segment
from napari_medseg.cli.train import train
from napari_medseg.cli.window import open_window

app = typer.Typer(
    name="napari-medseg",
    cls=Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("segment")(segment)
app.command("by-example")(by_example)
app.command("cluster")(cluster)
app.command("measure")(measure)
app.command("compare")(compare)
app.command("objects")(objects)
app.command("export")(export)
app.command(
    "train",
    context_settings={
        "allow_extra_args": True,
        "ignore_unknown_options": True,
        "help_option_names": [],
    },
)(train)
app.add_typer(models, name="models")


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    sample: Annotated[
        str | None, typer.Option(help="Open a sample too, such as cardiac_mr.", metavar="NAME")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Segment medical images: as a few painted examples show, with a trained model, or by clusters.

    Without a command it opens napari with the docks.
    """
    if version:
        from napari_medseg import __version__

        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        open_window(sample)


def main() -> None:
    """Run the command line and leave with its exit status."""
    app()
