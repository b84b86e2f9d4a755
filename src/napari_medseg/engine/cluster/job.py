"""Cluster one image: no labels, no trained weights, only the image itself."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.cluster.focus import Focus, set_edge_apart
from napari_medseg.engine.cluster.methods import METHODS, Method, StepLabels, Steps
from napari_medseg.engine.cluster.options import ClusterOptions
from napari_medseg.engine.colour import GREY
from napari_medseg.engine.label_maps import (
    count_labels,
    nearest_labels,
    numbered_by_brightness,
    smooth_labels_job,
    without_gaps,
)
from napari_medseg.engine.planes import Planes
from napari_medseg.engine.resample import Window, resize
from napari_medseg.engine.results import (
    Job,
    Progress,
    Provenance,
    Segmentation,
    counted,
    finished,
    made_from,
    told,
)
from napari_medseg.engine.scaling import ValueRange

Rectangle = tuple[int, int, int, int]
"""Top, left, bottom and right of a part of a plane, in pixels; bottom and right are not in it."""

_SCALED_AT_ONCE = 1 << 22
"""So many values."""


@dataclass(frozen=True)
class ClusterPreview:
    """The labels so far.

    Parameters
    ----------
    index : int
        The plane being worked on; 0 for a 2-D image.
    labels : ndarray of uint8, shape (H, W)
        Its labels, at the image's resolution; those of the rectangle where one was given.
    provenance : Provenance
        What makes them.
    segmentation : callable
        Gives all planes so far as a `Segmentation`: what to keep when the job is cancelled. Call it
        after closing the job.
    """

    index: int
    labels: NDArray[np.uint8]
    provenance: Provenance
    segmentation: Callable[[], Segmentation]


def cluster_job(
    image: Any,
    options: ClusterOptions | None = None,
    *,
    axis: int = 0,
    rgb: bool | None = None,
    planes: Sequence[int] | None = None,
    value_range: ValueRange | None = None,
    rectangle: Rectangle | None = None,
) -> Job:
    """Cluster an image, or each plane of a volume for itself, yielding progress.

    Parameters
    ----------
    image : array-like, shape (H, W), (H, W, 3|4), (Z, H, W) or (Z, H, W, 3|4)
        Any bool, integer or float type.
    options : ClusterOptions, optional
        See there.
    axis, rgb
        As for `Planes`.
    planes : sequence of int, optional
        Planes of a volume to cluster, in this order; by default all. The others stay 0.
    value_range : tuple of float, optional
        Raw values that become 0 and 1; by default 0 and 255 for 8-bit images, otherwise the robust
        range of the whole image.
    rectangle : tuple of int, optional
        Part of each plane that is clustered, as (top, left, bottom, right) in pixels, bottom and
        right not in it; the rest stays 0.

    Yields
    ------
    Progress
        After every iteration; `preview` is a `ClusterPreview`. In between, with a large plane, it
        is None. Closing the job cancels it, and the last preview's `segmentation` keeps its state.

    Returns
    -------
    Segmentation
        Clusters are numbered from 1 without gaps, in each plane from the darkest to the brightest.
        0 where the image holds NaN or infinite values, which have no say in where k-means and Otsu
        part the others.

    Raises
    ------
    ValueError
        With one sentence, where the image or an option cannot be used.
    """
    options = options or ClusterOptions()
    if value_range is None and getattr(image, "dtype", None) == np.uint8:
        value_range = (0.0, 255.0)
    volume = Planes(image, rgb, value_range, axis)
    order = volume.checked_order(planes)
    result = _Result(volume, options, order, _window(rectangle, volume.plane_shape))
    method = METHODS[options.method](options)
    for number in range(len(order)):
        yield from _cluster_plane(method, result, number)
    return result.segmentation()


def cluster(
    image: Any,
    method: str = "s3net",
    seed: int = 0,
    *,
    axis: int = 0,
    rgb: bool | None = None,
    planes: Sequence[int] | None = None,
    value_range: ValueRange | None = None,
    rectangle: Rectangle | None = None,
    **options: Any,
) -> Segmentation:
    """Cluster an image, or each plane of a volume for itself; see `cluster_job`.

    Parameters
    ----------
    image, axis, rgb, planes, value_range, rectangle
        As for `cluster_job`.
    method : str
        ``"s3net"``, ``"s3net-improved"``, ``"kmeans"`` or ``"otsu"``.
    seed : int
        Of everything drawn at random.
    **options
        Further fields of `ClusterOptions`.

    Returns
    -------
    Segmentation
        At the image's resolution.
    """
    chosen = ClusterOptions(method=method, seed=seed, **options)
    return finished(
        cluster_job(
            image,
            chosen,
            axis=axis,
            rgb=rgb,
            planes=planes,
            value_range=value_range,
            rectangle=rectangle,
        )
    )


@dataclass
class _Result:
    """The labels that fill up plane by plane."""

    volume: Planes
    options: ClusterOptions
    order: list[int]
    window: Window
    labels: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        self.labels = np.zeros(self.volume.shape, np.uint8)

    def put(self, index: int, labels: NDArray[np.uint8]) -> None:
        """Take the labels of a plane's window as they are now."""
        plane = self.labels[index] if self.volume.is_volume else self.labels
        plane[self.window.slices] = labels

    @property
    def provenance(self) -> Provenance:
        """All that the labels depend on."""
        window = self.window
        part = window.shape != self.volume.plane_shape
        rectangle = [window.top, window.left, window.bottom, window.right] if part else None
        parameters = {**asdict(self.options), "rectangle": rectangle}
        return made_from(self.volume, self.order, "cluster", self.options.method, parameters)

    def segmentation(self) -> Segmentation:
        """Give the labels so far with all that they depend on."""
        names = tuple(f"cluster {label}" for label in range(1, int(self.labels.max()) + 1))
        labels = self.volume.turned_back(self.labels.copy())
        return Segmentation(labels, None, ("background", *names), self.provenance)


def _window(rectangle: Rectangle | None, shape: tuple[int, int]) -> Window:
    if rectangle is None:
        return Window(0, 0, *shape)
    try:
        window = Window(*map(index, rectangle))
    except TypeError as error:
        raise ValueError(
            f"A rectangle is four whole numbers (top, left, bottom, right), not {rectangle!r}."
        ) from error
    if not (0 <= window.top < window.bottom <= shape[0]) or not (
        0 <= window.left < window.right <= shape[1]
    ):
        raise ValueError(
            f"The rectangle {tuple(rectangle)} (top, left, bottom, right) does not lie in the "
            f"plane of {shape[0]} × {shape[1]} pixels."
        )
    return window


def _cluster_plane(method: Method, result: _Result, number: int) -> Generator[Progress, None, None]:
    """Cluster one plane and show it after every iteration."""
    index = result.order[number]
    volume, options = result.volume, result.options
    before, total = number * method.total, len(result.order) * method.total
    preparing = Progress(before, total, "Preparing the image")
    raw = volume.raw(index, result.window)
    plane, grey, finite = yield from told(_prepared(volume, raw), preparing)
    face = _Face(grey, finite, options.focus)
    for step in _steps(method, plane, None if finite.all() else finite):
        if step is None:
            yield preparing
            continue
        done = before + min(step.done, method.total)
        smoothing = Progress(done, total, "Smoothing the outlines")
        labels = yield from told(face.labels(step), smoothing)
        result.put(index, labels)
        yield Progress(
            done,
            total,
            _message(index, step, labels, volume.is_volume),
            ClusterPreview(index, labels, result.provenance, result.segmentation),
        )
        if 0 < options.stop_after <= step.done:
            return


def _prepared(
    volume: Planes, raw: NDArray[Any]
) -> Generator[None, None, tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]]:
    """Scale part of a plane, strip by strip; also gives its brightness and where it is finite."""
    plane, finite = np.empty(raw.shape, np.float32), np.empty(raw.shape[:2], np.bool_)
    grey = plane if plane.ndim == 2 else np.empty(raw.shape[:2], np.float32)
    at_once = max(1, _SCALED_AT_ONCE // (raw.size // len(raw)))
    for top in range(0, len(raw), at_once):
        if top:
            yield
        rows = slice(top, top + at_once)
        plane[rows], finite[rows] = volume.scale(raw[rows])
        if grey is not plane:
            grey[rows] = GREY(plane[rows])
    return plane, grey, finite


def _steps(method: Method, plane: NDArray[np.float32], known: NDArray[np.bool_] | None) -> Steps:
    values = plane if known is None else plane[known]
    if not values.size or np.ptp(values) == 0:
        yield StepLabels(np.zeros(plane.shape[:2], np.intp), method.total, last=True)
    else:
        yield from method.steps(plane, known)


class _Face:
    """What clusters of a plane look like: numbered by brightness, at the plane's resolution."""

    def __init__(self, grey: NDArray[np.float32], finite: NDArray[np.bool_], focus: Focus) -> None:
        self._grey, self._finite, self._focus = grey, finite, focus
        self._all_finite = bool(finite.all())
        self._brightness = grey
        self._known = None if self._all_finite else finite

    def labels(self, step: StepLabels) -> Generator[None, None, NDArray[np.uint8]]:
        """Give the clusters of a step their numbers, and enlarge them."""
        labels = step.labels
        if step.last and self._focus in ("dark", "bright"):
            labels = set_edge_apart(labels)
        if self._brightness.shape != labels.shape:
            size = (labels.shape[0], labels.shape[1])
            self._brightness = resize(self._grey, size)
            if not self._all_finite:
                self._known = resize(self._finite.astype(np.float32), size) > 0
        numbered = numbered_by_brightness(labels, self._brightness, self._known)
        shape = (self._grey.shape[0], self._grey.shape[1])
        if step.last:
            enlarged = yield from smooth_labels_job(numbered, shape)
        else:
            enlarged = nearest_labels(numbered, shape)
        if not self._all_finite:
            enlarged = np.where(self._finite, enlarged, np.uint8(0))
        return without_gaps(enlarged)


def _message(index: int, step: StepLabels, labels: NDArray[np.uint8], is_volume: bool) -> str:
    clusters = counted(count_labels(labels), "cluster")
    where = f"Plane {index}, " if is_volume else ""
    what = "done" if step.last else f"iteration {step.done}"
    message = f"{where}{what}: {clusters}"
    return message[0].upper() + message[1:]
