"""Where results go: their names and kinds, and what must never be written over."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.cli.report import WrongRequest
from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.images import IMAGE_SUFFIXES
from napari_medseg.io.leftovers import sweep_stale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_medseg.engine.results import Segmentation
    from napari_medseg.io.images import ImageFile


class Format(StrEnum):
    """Kinds of file that label maps are written as."""

    png = "png"
    nifti = "nifti"
    ome_tiff = "ome-tiff"


SUFFIX = {Format.png: ".png", Format.nifti: ".nii.gz", Format.ome_tiff: ".ome.tif"}
PROBABILITIES, OBJECTS = "_probabilities.ome.tif", "_objects"
FILE_SUFFIXES = {*IMAGE_SUFFIXES, ".gz", ".dcm", ".npz"}


def suffix_for(ndim: int, chosen: Format | None) -> str:
    """Give the suffix of a label map: PNG for a plane, NIfTI for a volume unless told otherwise.

    Raises
    ------
    WrongRequest
        Where a volume shall become a PNG.
    """
    if chosen is Format.png and ndim == 3:
        raise WrongRequest("A PNG holds one plane; leave --to out, or say nifti or ome-tiff.")
    return SUFFIX[chosen or (Format.png if ndim == 2 else Format.nifti)]


def checked_folder(folder: Path) -> Path:
    """Give the folder for results, made where it is missing and proved to be writable.

    Raises
    ------
    ValueError
        With one sentence, where results cannot go there.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; give a folder for the results.")
    if folder.suffix.lower() in FILE_SUFFIXES and not folder.exists():
        raise ValueError(
            f"{folder} has the name of a file; give a folder, the results in it are named after "
            "their images."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"Nothing can be written in {folder} ({error.strerror}); choose another folder."
        ) from error
    sweep_stale(folder)
    return folder


def check_names(inputs: Sequence[Path], folder: Path, protected: Iterable[Path] = ()) -> None:
    """Make sure that no result has the name of another one or of a file that is read.

    Parameters
    ----------
    inputs : sequence of Path
        The images; each result is named after its own.
    folder : Path
        For the results.
    protected : iterable of Path
        Folders in which nothing may be written.

    Raises
    ------
    ValueError
        With one sentence, where a name is taken.
    """
    real = Path(os.path.realpath(folder))
    for other in protected:
        if real == Path(os.path.realpath(other)):
            raise ValueError(
                f"The examples lie in {folder}; choose another folder for the results."
            )
    read = {os.path.realpath(path): path for path in inputs}
    taken: dict[str, Path] = {}
    for path in inputs:
        stem = split_suffix(path.name)[0]
        objects = (f"{OBJECTS}{suffix}" for suffix in SUFFIX.values())
        for suffix in (*SUFFIX.values(), PROBABILITIES, *objects):
            target = str(real / f"{stem}{suffix}")
            if target in taken:
                raise ValueError(
                    f"{taken[target]} and {path} would give results of the same name; run them "
                    "into different folders."
                )
            taken[target] = path
            if target in read:
                raise ValueError(
                    f"The result for {path} could overwrite the input {read[target]}; choose "
                    "another folder for the results."
                )


def write_results(
    segmentation: Segmentation,
    image: ImageFile,
    folder: Path,
    stem: str,
    suffix: str,
    probabilities: bool = False,
    values: Sequence[int] = (),
) -> dict[str, Any]:
    """Write what was found where the image lies, and give its entry of the report.

    Parameters
    ----------
    segmentation : Segmentation
        What was found.
    image : ImageFile
        In what.
    folder : Path
        For the files.
    stem, suffix : str
        Of the label map.
    probabilities : bool
        Whether they are written too.
    values : sequence of int
        Label values of the classes; empty for 1, 2, ...

    Raises
    ------
    MemoryError
        Where probabilities are wanted and were not kept; the label map is written.
    SaveError
        Where a file cannot be written.
    """
    import numpy as np

    from napari_medseg.io.labels import write_labels
    from napari_medseg.io.probabilities import write_probabilities

    made = segmentation.provenance
    names = segmentation.class_names
    target = folder / f"{stem}{suffix}"
    write_labels(target, segmentation.labels, image.geometry, made, names)
    entry: dict[str, Any] = {"output": str(target)}
    classes = (0, *values) if values else range(len(names))
    if probabilities:
        if segmentation.probabilities is None:
            raise MemoryError("The probabilities do not fit into memory; the label map is written.")
        beside = folder / f"{stem}{PROBABILITIES}"
        channels = [names[value] for value in classes]
        write_probabilities(beside, segmentation.probabilities, image.geometry, made, channels)
        entry["probabilities"] = str(beside)
    counts = np.bincount(segmentation.labels.ravel(), minlength=len(names))
    return entry | {
        "shape": list(segmentation.labels.shape),
        "spacing": list(image.geometry.spacing),
        "units": image.geometry.units,
        "pixels": {names[value]: int(counts[value]) for value in classes},
        "provenance": made.as_dict(),
    }


def write_objects(
    objects: NDArray[np.uint32],
    segmentation: Segmentation,
    image: ImageFile,
    folder: Path,
    stem: str,
    suffix: str,
) -> dict[str, Any]:
    """Write the numbered objects of what was found, and give what the report says of them.

    Parameters
    ----------
    objects : ndarray of uint32
        A number for each object.
    segmentation, image, folder, stem, suffix
        As in `write_results`.

    Raises
    ------
    SaveError
        Where the file cannot be written, as there are too many objects for its kind.
    """
    from napari_medseg.io.labels import write_labels

    made = segmentation.provenance
    numbered = replace(made, parameters={**made.parameters, "objects": True})
    target = folder / f"{stem}{OBJECTS}{suffix}"
    write_labels(target, objects, image.geometry, numbered)
    return {"objects": str(target), "n_objects": int(objects.max(initial=0))}
