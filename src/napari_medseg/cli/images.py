"""Running a method on images of all kinds, one after the other, and writing what it finds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.cli.cohort import Cohort, run_cohort
from napari_medseg.cli.outputs import (
    Format,
    check_names,
    checked_folder,
    suffix_for,
    write_objects,
    write_results,
)
from napari_medseg.cli.report import (
    WrongRequest,
    check_files,
    refusing,
    run_job,
    say_findings,
)
from napari_medseg.io.atomic import split_suffix
from napari_medseg.session.settings import settings

if TYPE_CHECKING:
    from napari_medseg.engine.results import Job
    from napari_medseg.io.images import ImageFile


@dataclass(frozen=True)
class Excerpt:
    """Which part of an image is looked at, and how: arguments that all methods take.

    Parameters
    ----------
    axis : int
        Along which volumes are cut into planes.
    planes : list of int, optional
        Only these.
    value_range : tuple of float, optional
        Values that become black and white.
    """

    axis: int = 0
    planes: list[int] | None = None
    value_range: tuple[float, float] | None = None

    def of(self, image: ImageFile) -> dict[str, Any]:
        """Give the arguments for an image.

        Raises
        ------
        WrongRequest
            If the image has no such planes.
        """
        is_volume = image.geometry.ndim == 3
        axis = self.axis if is_volume else 0
        count = image.data.shape[axis] if is_volume else 1
        outside = [plane for plane in self.planes or () if plane >= count]
        if outside:
            raise WrongRequest(f"There is no plane {outside[0]}; planes go from 0 to {count - 1}.")
        return {
            "axis": axis,
            "rgb": image.rgb,
            "planes": self.planes if is_volume else None,
            "value_range": self.value_range,
        }


@dataclass(frozen=True)
class Request:
    """What becomes of images, whatever the method.

    Parameters
    ----------
    out : Path
        Folder for the label maps.
    to : Format, optional
        Kind of label map.
    series : str, optional
        Of a DICOM folder.
    probabilities, objects : bool
        Whether they are written too.
    excerpt : Excerpt
        What is looked at.
    values : tuple of int
        Label value of each class; empty for 1, 2, ...
    cohort : Cohort
        How to get through many images.
    """

    out: Path
    to: Format | None = None
    series: str | None = None
    probabilities: bool = False
    objects: bool = False
    excerpt: Excerpt = Excerpt()
    values: tuple[int, ...] = ()
    cohort: Cohort = field(default_factory=Cohort)


Start = Callable[["ImageFile", dict[str, Any]], "Job"]
"""Gives the job for an image, with the arguments of its `Excerpt`."""


def check_images(inputs: Sequence[Path], out: Path, protected: Sequence[Path] = ()) -> None:
    """Check the names of images and results before anything is read.

    Raises
    ------
    ValueError
        With one sentence, where a file is not there, or a name is taken.
    """
    from napari_medseg.io.volume import holds_image

    check_files(*(path for path in inputs if not holds_image(path)))
    check_names(inputs, out, protected)


def run_on_images(
    command: str, inputs: Sequence[Path], request: Request, start: Start, json_: bool
) -> None:
    """Do the work for each image, write the label maps and report; see `run_cohort`."""
    is_new = not request.out.exists()
    with refusing(ValueError, OSError):
        checked_folder(request.out)
    if request.cohort.scheduler:  # its processes may work in another folder
        inputs = [path.absolute() for path in inputs]
        request = replace(request, out=request.out.absolute())
    work = partial(_run, request=request, start=start)
    try:
        with refusing(WrongRequest):
            run_cohort(command, inputs, request.out, work, json_, request.cohort)
    finally:
        if is_new:
            with suppress(OSError):  # there is something in it, as there should be
                request.out.rmdir()


def _run(path: Path, request: Request, start: Start) -> dict[str, Any]:
    """Work on one image, write what was found, and give the entry of the report."""
    from napari_medseg.engine.devices import limit_threads
    from napari_medseg.engine.measure.objects import split_objects_job
    from napari_medseg.io.images import read_image

    started = time.monotonic()
    limit_threads(settings().threads)
    image = read_image(path, request.series if path.is_dir() else None)
    say_findings(path, image.findings)
    suffix = suffix_for(image.geometry.ndim, request.to)
    found = run_job(start(image, request.excerpt.of(image)), path.name)
    place = (image, request.out, split_suffix(path.name)[0], suffix)
    classes = found.renumbered(request.values) if request.values else found
    entry = write_results(classes, *place, request.probabilities, request.values)
    if request.objects:
        numbering = split_objects_job(found, image.geometry.spacing)
        entry |= write_objects(run_job(numbering, path.name), found, *place)
    return {"input": str(path)} | entry | {"seconds": round(time.monotonic() - started, 2)}
