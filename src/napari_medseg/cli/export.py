"""``napari-medseg export``: hand a label map on in another kind of file, where its image lies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_medseg.cli.outputs import SUFFIX, Format, checked_folder, suffix_for
from napari_medseg.cli.report import check_files, fail, print_json, refuse, refusing, say

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_medseg.io.geometry import Geometry
    from napari_medseg.io.labels import LabelFile


def export(
    labels: Annotated[Path, typer.Argument(help="A label map: PNG, TIFF or NIfTI.")],
    to: Annotated[Format, typer.Option(help="What to write.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="File or folder to write to.", metavar="OUT")
    ],
    like: Annotated[
        Path | None, typer.Option(help="The image it belongs to; gives spacing and position.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print a report as JSON.")] = False,
) -> None:
    """Write a label map as another kind of file; it is read back and compared."""
    from napari_medseg.io.labels import read_labels, write_labels

    check_files(labels, *([like] if like else []))
    with refusing(ValueError):
        target = _target(labels, like, out, to)
    try:
        found = read_labels(labels)
        geometry, array = _placed(found, like)
        with refusing(ValueError):
            suffix_for(array.ndim, to)
        write_labels(target, array, geometry, found.provenance or None, found.class_names)
    except (ValueError, OSError) as error:
        fail(str(error))
    say(f"{labels} -> {target}")
    if json_:
        spacing = {"spacing": list(geometry.spacing), "units": geometry.units}
        print_json({"command": "export", "input": str(labels), "output": str(target)} | spacing)


def _target(labels: Path, like: Path | None, out: Path, to: Format) -> Path:
    """Give the file to write: `out` itself where its name ends rightly, else a file in it.

    Raises
    ------
    ValueError
        Where nothing can be written there, or a file that is read would be overwritten.
    """
    from napari_medseg.io.atomic import split_suffix
    from napari_medseg.io.images import NIFTI_SUFFIXES, TIFF_SUFFIXES

    fitting = {
        Format.png: (".png",),
        Format.nifti: NIFTI_SUFFIXES,
        Format.ome_tiff: TIFF_SUFFIXES,
    }[to]
    suffix = split_suffix(out.name)[1].lower()
    if suffix in fitting and not out.is_dir():
        target = checked_folder(out.parent) / out.name
    elif suffix and not out.is_dir():
        raise ValueError(f"{out} does not end with {' or '.join(fitting)}, as --to {to} wants it.")
    else:
        target = checked_folder(out) / f"{split_suffix(labels.name)[0]}{SUFFIX[to]}"
    for path in (labels, *([like] if like else [])):
        if os.path.realpath(path) == os.path.realpath(target):
            raise ValueError(f"The result would overwrite {path}; choose another name or folder.")
    return target


def _placed(found: LabelFile, like: Path | None) -> tuple[Geometry, NDArray[np.unsignedinteger]]:
    """Give the geometry of the image, and the labels in its number of axes.

    Raises
    ------
    ReadError
        Where the image cannot be read. Images and labels of different size are refused.
    """
    from napari_medseg.io.images import read_image

    if like is None:
        return found.geometry, found.labels
    image = read_image(like)
    shape = image.data.shape[: image.geometry.ndim]
    labels = found.labels
    if tuple(n for n in shape if n > 1) != tuple(n for n in labels.shape if n > 1):
        refuse(
            f"The label map has the size {labels.shape}, the image {shape}; give the image that "
            "it was made from."
        )
    return image.geometry, labels.reshape(shape)
