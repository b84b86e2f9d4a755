"""The planes of a data set in memory, scaled just as the app will scale what it is given."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medseg_training.data.dataset import Dataset, DatasetError
from medseg_training.data.files import LoadedCase, load_case
from napari_medseg.engine.label_maps import smooth_labels
from napari_medseg.engine.memory import fits
from napari_medseg.engine.results import Progress, finished
from napari_medseg.engine.with_model.model_input import (
    input_planes,
    is_blank,
    prepare,
    shrink_plane,
)
from napari_medseg.zoo.specs import InputSpec


@dataclass(frozen=True, eq=False)
class Plane:
    """What a net is trained on.

    Parameters
    ----------
    image : ndarray of float32, shape (C, H, W)
        In [0, 1], channels in the net's order; its mean and standard deviation are not yet applied.
    labels : ndarray of uint8, shape (H, W)
        Class index per pixel.
    case : str
        Which case it is of.
    index : int
        Which plane of it; 0 for a picture.
    spacing : tuple of float
        Distance of pixels of the stored plane.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    case: str
    index: int
    spacing: tuple[float, float]

    @property
    def name(self) -> str:
        """What it is called in tables and pictures."""
        return f"{self.case} plane {self.index}"


def load_planes(dataset: Dataset, case_names: Iterable[str], spec: InputSpec) -> list[Plane]:
    """Read the planes of some cases; see `load_planes_job`."""
    return finished(load_planes_job(dataset, case_names, spec))


def load_planes_job(
    dataset: Dataset, case_names: Iterable[str], spec: InputSpec
) -> Generator[Progress, None, list[Plane]]:
    """Read the planes of some cases, yielding progress after each case.

    Parameters
    ----------
    dataset : Dataset
        Where the cases are.
    case_names : iterable of str
        Which of them.
    spec : InputSpec
        What the model's card will say. The range of values is found by the app's own code. Where
        the model looks at whole planes, they are made as large as it takes them; else they keep
        their size. Labels take the class that covers most of a pixel.

    Returns
    -------
    list of Plane
        In order of `case_names`; planes of one value only are left out, as the app does not ask
        about them.

    Raises
    ------
    ReadError, DatasetError
        With one sentence, where a case cannot be used.
    MemoryError
        Where they do not fit.
    """
    names = list(case_names)
    bare = replace(spec, mean=(), std=())
    planes: list[Plane] = []
    held = 0
    for done, name in enumerate(names):
        case = load_case(dataset, dataset.case(name))
        found = planes_of(case, bare)
        planes += found
        held += sum(plane.image.nbytes + plane.labels.nbytes for plane in found)
        if not fits(held):
            raise MemoryError(
                f"After {done + 1} of {len(names)} cases half of the memory is taken; train on "
                "fewer cases, or on smaller planes."
            )
        yield Progress(done + 1, len(names), f"Reading {name}")
    return planes


def planes_of(case: LoadedCase, spec: InputSpec) -> list[Plane]:
    """Take a case apart into planes.

    Raises
    ------
    DatasetError
        If it has no mask, or channels that no model takes.
    """
    if case.labels is None:
        raise DatasetError(f"{case.name} has no mask; give it one or leave the case out.")
    image, rgb = case.as_given
    volume = input_planes(image, spec, rgb=rgb)
    labels = case.labels if volume.is_volume else case.labels[None]
    planes = []
    for index in range(len(volume)):
        if is_blank(volume, index):
            continue
        size = spec.size if spec.fit == "resize" else volume.plane_shape
        shrunk = shrink_plane(volume, index, size)
        step = tuple(
            s * n / m for s, n, m in zip(case.spacing[-2:], volume.plane_shape, size, strict=True)
        )
        planes.append(
            Plane(
                prepare(shrunk, spec),
                smooth_labels(labels[index], size),
                case.name,
                index,
                (step[0], step[1]),
            )
        )
    return planes
