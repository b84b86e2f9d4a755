"""What a method was given: kept while the window is open, so that its work can be done again."""

from __future__ import annotations

import weakref
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medseg.engine.results import Progress
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.placement import sizes_of
from napari_medseg.session.layers.geometry_of import placement_of
from napari_medseg.session.layers.stack import Stack, full_resolution

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_medseg.engine.by_example.support import SupportSet

IMAGE_FILE, EXAMPLES_FOLDER = "image.ome.tif", "examples"


@dataclass(frozen=True)
class Inputs:
    """An image, the planes of it that were looked at, and the examples.

    Parameters
    ----------
    image : weak reference to a napari Image
        The layer; this does not keep it in memory.
    stack : Stack
        The planes.
    support : SupportSet, optional
        A snapshot of the examples, where there were any.
    """

    image: weakref.ReferenceType[Image]
    stack: Stack
    support: SupportSet | None = None

    @classmethod
    def of(cls, image: Image, stack: Stack, support: SupportSet | None = None) -> Inputs:
        """Take note of what a method is given, without what it worked out from the examples."""
        kept = None if support is None else support.snapshot()
        if kept is not None:
            kept.memo = {}
        return cls(weakref.ref(image), stack, kept)

    def __deepcopy__(self, memo: dict[int, Any]) -> Inputs:
        # napari copies the metadata of a layer with it; examples never change and are shared.
        return self

    @property
    def place(self) -> dict[str, Any]:
        """Where the planes lie in the image's array, as `MadeStep` of `made` has it.

        ``axis`` counts among the axes of the volume; ``at`` is the index on all axes of the array,
        None on those of the volume, and None altogether where the array is the volume.
        """
        stack = self.stack
        free = stack.free
        whole = len(free) == len(stack.at)
        at = [None if axis in free else index for axis, index in enumerate(stack.at)]
        return {
            "axis": 0 if stack.axis is None else free.index(stack.axis),
            "at": None if whole else at,
        }

    @property
    def volume(self) -> Any:
        """The plane or volume in the order of the image's axes; None where its layer is gone."""
        image = self.image()
        if image is None:
            return None
        return full_resolution(image)[self.stack.volume_index]


@dataclass(frozen=True)
class Files:
    """Where the inputs lie as files; what is only in memory is None.

    Parameters
    ----------
    image : Path, optional
        A file, or the folder of a DICOM series.
    series : str
        UID of the series in the folder.
    support : Path, optional
        Folder of the examples.
    """

    image: Path | None = None
    series: str = ""
    support: Path | None = None


def find_job(inputs: Inputs | None) -> Generator[Progress, None, Files]:
    """Find the file that an image came from, and make sure that it is what is open.

    Parameters
    ----------
    inputs : Inputs, optional
        None where nothing is known any more.
    """
    from napari_medseg.io.image_files import same_pixels
    from napari_medseg.io.images import read_image

    yield Progress(0, 1, "Looking at the image's file")
    image = None if inputs is None else inputs.image()
    if inputs is None or image is None:
        return Files()
    path, series = _file_of(image)
    if path is None:
        return Files()
    try:
        found = read_image(path, series or None)
    except (ValueError, OSError):
        return Files()
    same = found.rgb == bool(image.rgb) and same_pixels(found.data, np.asarray(inputs.volume))
    return Files(path, series) if same else Files()


def save_job(inputs: Inputs, folder: Path) -> Generator[Progress, None, Files]:
    """Write what exists only in memory into a folder, and say where everything is then.

    An image that lies in a file stays there: a copy would not know all that the file does of where
    it lies in the patient.

    Raises
    ------
    ValueError
        If the image's layer has been closed meanwhile.
    SaveError
        If something cannot be written.
    """
    from napari_medseg.io.image_files import write_image

    found = yield from find_job(inputs)
    path, support = found.image, found.support
    yield Progress(0, 2, "Saving the image")
    folder.mkdir(parents=True, exist_ok=True)
    if path is None:
        image = inputs.image()
        if image is None:
            raise ValueError("The image has been closed: open it again and repeat the method.")
        volume = np.asarray(inputs.volume)
        path = write_image(folder / IMAGE_FILE, volume, _geometry(image, inputs), bool(image.rgb))
    yield Progress(1, 2, "Saving the examples")
    if inputs.support is not None:
        support = folder / EXAMPLES_FOLDER
        inputs.support.save(support)
    yield Progress(2, 2, "Saved")
    return Files(path, found.series, support)


def _file_of(image: Image) -> tuple[Path | None, str]:
    from napari_medseg.session.export.source import source_of

    source = source_of(image)
    if not source.files:
        return None, ""
    if source.kind == "dicom":
        first = source.files[0]
        return (first if first.is_dir() else first.parent), source.series
    return source.files[0], ""


def _geometry(image: Image, inputs: Inputs) -> Geometry:
    spacing, units = sizes_of(placement_of(image), image.ndim, inputs.stack.free)
    return Geometry(spacing, units=units)
