"""``napari-medseg objects``: number the objects of a label map, also where they touch."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Annotated

import typer

from napari_medseg.cli.report import (
    LABEL_MAP,
    check_label_maps,
    fail,
    print_json,
    refuse,
    run_job,
    say,
    say_findings,
    sentence_of,
)


def objects(
    labels: Annotated[Path, typer.Argument(help=LABEL_MAP)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write: .ome.tif, .nii.gz or .png.")
    ],
    diameter: Annotated[
        float | None,
        typer.Option(help="Of a typical object, in the unit of the file; estimated by default."),
    ] = None,
    keep_touching: Annotated[
        bool,
        typer.Option(
            "--keep-touching", help="Count what hangs together as one object, as for long vessels."
        ),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the count as JSON.")] = False,
) -> None:
    """Give each object a number of its own; objects that touch are split at their necks."""
    from napari_medseg.engine.measure.objects import split_objects_job
    from napari_medseg.io.labels import read_labels, write_labels

    _check(labels, output, diameter)
    try:
        found = read_labels(labels)
        say_findings(labels, found.findings)
        job = split_objects_job(
            found.labels,
            found.geometry.spacing,
            diameter=diameter,
            part_touching=not keep_touching,
        )
        numbered = run_job(job, labels.name)
        made = {
            "method": "objects",
            "parameters": {"diameter": diameter, "part_touching": not keep_touching},
        }
        path = write_labels(output, numbered, found.geometry, made)
    except (ValueError, OSError, MemoryError) as error:
        fail(sentence_of(error))
    count = int(numbered.max(initial=0))
    if json_:
        print_json({"labels": str(labels), "objects": count, "output": str(path)})
    say(f"{count:,} objects: {path}")


def _check(labels: Path, output: Path, diameter: float | None) -> None:
    """Refuse what cannot be done before anything is read."""
    from napari_medseg.io.atomic import split_suffix
    from napari_medseg.io.labels import WRITTEN_SUFFIXES

    check_label_maps(labels)
    if split_suffix(output.name)[1].lower() not in WRITTEN_SUFFIXES:
        refuse(f"The name {output} must end with {', '.join(WRITTEN_SUFFIXES)}.")
    if not output.absolute().parent.is_dir():
        refuse(f"There is no folder {output.parent}; make it first.")
    if output.resolve() == labels.resolve():
        refuse(f"The result would overwrite {labels}; give it another name.")
    if diameter is not None and not 0 < diameter < inf:
        refuse(f"The diameter of an object must be a number above 0; got {diameter:g}.")
