"""Where an export goes, so that nothing is lost there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medseg.cli.outputs import checked_folder

if TYPE_CHECKING:
    from napari_medseg.io.label_formats import LabelFormat


def target_of(labels: Path, like: Path | None, out: Path, format_: LabelFormat) -> Path:
    """Give the file to write: `out` itself where its name ends rightly, else a file in it.

    Raises
    ------
    ValueError
        Where nothing can be written there, or a file that is read would be overwritten.
    """
    from napari_medseg.io.atomic import split_suffix
    from napari_medseg.io.formats.nnunet import check_dataset_name

    if not format_.suffixes:
        check_dataset_name(out)
        checked_folder(out.parent)
        return out
    suffix = split_suffix(out.name)[1].lower()
    ends_rightly = suffix in format_.suffixes
    if ends_rightly and (not out.is_dir() or suffix.endswith(".zarr")):
        target = checked_folder(out.parent) / out.name
    elif suffix and not out.is_dir():
        endings = " or ".join(format_.suffixes)
        raise ValueError(f"{out} does not end with {endings}, as --to {format_.key} wants it.")
    else:
        target = checked_folder(out) / f"{split_suffix(labels.name)[0]}{format_.suffixes[0]}"
    for path in (labels, *([like] if like else [])):
        if os.path.realpath(path) == os.path.realpath(target):
            raise ValueError(f"The result would overwrite {path}; choose another name or folder.")
    return target


def refuse_to_replace(target: Path, format_: LabelFormat, case: str) -> None:
    """Make sure that nothing goes of which nobody was asked.

    Raises
    ------
    ValueError
        Where something is there already.
    """
    from napari_medseg.io import label_formats as formats
    from napari_medseg.io.formats.nnunet import cases_of

    if format_ is not formats.NNUNET:
        if target.exists():
            raise ValueError(f"{target} is there already; say --replace, or give another name.")
    elif case in cases_of(target):
        raise ValueError(
            f"The dataset {target} has a case “{case}” already; name this one with --case, or say "
            "--replace."
        )
