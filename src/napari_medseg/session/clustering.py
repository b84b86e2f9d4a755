"""Clusters of one image on their way to the user's labels: shown, picked, written."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.cluster.job import ClusterPreview, cluster_job
from napari_medseg.engine.cluster.options import ClusterOptions
from napari_medseg.engine.cluster.pick import pick_cluster
from napari_medseg.engine.label_maps import count_labels
from napari_medseg.engine.results import Progress, Provenance
from napari_medseg.session.edits import Mode
from napari_medseg.session.history.accepted import write_and_record_job
from napari_medseg.session.history.inputs import Inputs
from napari_medseg.session.layers.query import Query
from napari_medseg.session.layers.region import Region
from napari_medseg.session.layers.stack import shape_of

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_medseg.session.case import Case

MOST_SHOWN = 2048**2
"""Of a larger region only so many pixels are shown, so that the window keeps up."""


@dataclass(frozen=True)
class ClusterMap:
    """The clusters of a region, as they are now.

    Parameters
    ----------
    image : napari Image
        What was clustered.
    region : Region
        Which part of it.
    labels : ndarray of uint8, shape (H, W)
        Cluster of every pixel of the region, from 1; 0 where the image holds no numbers.
    provenance : Provenance
        What made it.
    """

    image: Image
    region: Region
    labels: NDArray[np.uint8]
    provenance: Provenance

    @property
    def inputs(self) -> Inputs:
        """What it was made from."""
        return Inputs.of(self.image, self.region.stack)

    @property
    def count(self) -> int:
        """Number of clusters."""
        return count_labels(self.labels)

    @property
    def step(self) -> int:
        """How many pixels to a side are shown as one."""
        return max(1, int(np.ceil((self.labels.size / MOST_SHOWN) ** 0.5)))

    @property
    def shown(self) -> NDArray[np.uint8]:
        """The labels as they are shown, each the one in the middle of `step` by `step` pixels."""
        middle = self.step // 2
        return self.labels[middle :: self.step, middle :: self.step]


@dataclass(frozen=True)
class Pick:
    """What a click took.

    Parameters
    ----------
    map : ClusterMap
        The clusters at the time of the click.
    mask : ndarray of bool, shape (H, W)
        What was taken, in the plane.
    value : int
        The class it becomes.
    parameters : dict
        What was clicked, for the record.
    """

    map: ClusterMap
    mask: NDArray[np.bool_]
    value: int
    parameters: dict[str, Any]


def cluster_region_job(
    image: Image, query: Query, region: Region, options: ClusterOptions
) -> Generator[Progress, None, ClusterMap]:
    """Cluster a region of an image.

    Planes of a volume are scaled alike, with the range of the whole volume, so that a plane gets
    the clusters that it has when the volume is clustered.

    Parameters
    ----------
    image : napari Image
        What the region belongs to; it is not read here.
    query : Query
        The image's array.
    region : Region
        The part that is read.
    options : ClusterOptions
        How.

    Yields
    ------
    Progress
        After every iteration; `preview` is a `ClusterMap`, or None while a large image is prepared.
    """
    yield Progress(0, 1, "Reading the image")
    part = np.asarray(query.data[region.index])
    # 8-bit images have a range of their own, which the job knows.
    value_range = None if part.dtype == np.uint8 else query.range()
    fitted = options.method.startswith("s3net")
    yield Progress(0, 1, "Starting the network" if fitted else "Clustering")
    job = cluster_job(part, options, rgb=query.rgb, value_range=value_range)
    found: ClusterMap | None = None
    for progress in job:
        preview = progress.preview
        if not isinstance(preview, ClusterPreview):
            yield progress
            continue
        made = _where(preview.provenance, region, progress.done)
        found = ClusterMap(image, region, preview.labels, made)
        yield replace(progress, preview=found)
    assert found is not None
    return replace(found, provenance=_where(found.provenance, region))


def pick_job(
    clusters: ClusterMap, row: int, column: int, value: int, piece: bool
) -> Generator[Progress, None, Pick | None]:
    """Find what a click takes; returns None where there is no cluster.

    Parameters
    ----------
    clusters : ClusterMap
        What is clicked.
    row, column : int
        The pixel in the plane.
    value : int
        The class it shall become.
    piece : bool
        Take the one connected piece under the pixel, not the cluster everywhere.
    """
    yield Progress(0, 1, "Taking the piece" if piece else "Taking the cluster")
    window, labels = clusters.region.window, clusters.labels
    inside = row - window.top, column - window.left
    mask = pick_cluster(labels, *inside, piece=piece)
    if not mask.any():
        return None
    number = int(labels[inside])
    shape = shape_of(clusters.image)
    rows, columns = (shape[axis] for axis in clusters.region.stack.axes)
    clicked = {"cluster": number, "piece": piece, "at": [row, column], "class": value}
    return Pick(clusters, clusters.region.in_plane(mask, (rows, columns)), value, clicked)


def write_pick_job(case: Case, pick: Pick, mode: Mode) -> Generator[Progress, None, int]:
    """Write what was picked into the user's labels as one undo step; they are made if missing.

    Returns
    -------
    int
        How many pixels changed.

    Raises
    ------
    ValueError
        With one sentence, if the labels cannot be written, or the plane or the class is locked.
    """
    stack = pick.map.region.stack
    key = stack.key(stack.position)
    if key in case.approved:
        raise ValueError("This plane is approved: untick Approved to change it.")
    if pick.value in case.locks.classes:
        name = case.examples.class_names[pick.value]
        raise ValueError(f"“{name}” is locked: open its lock in the list to add to it.")
    labels = case.labels_to_write()
    value = np.array(pick.value, np.min_scalar_type(pick.value))
    written = yield from write_and_record_job(
        labels,
        stack,
        {stack.position: np.broadcast_to(value, pick.mask.shape)},
        pick.map.provenance,
        mode=mode,
        classes=[pick.value],
        class_names=case.examples.class_names,
        parameters=pick.parameters,
        inputs=pick.map.inputs,
        within={stack.position: pick.mask},
    )
    return written.voxels


def _where(provenance: Provenance, region: Region, stopped_after: int = 0) -> Provenance:
    """Add to what made clusters where they were made, and when they were stopped."""
    window, stack = region.window, region.stack
    parameters = {
        **provenance.parameters,
        "planes": None if stack.axis is None else [stack.position],
        "rectangle": [window.top, window.left, window.bottom, window.right],
        "stop_after": stopped_after,
    }
    return replace(provenance, parameters=parameters)
