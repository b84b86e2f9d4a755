"""The methods of clustering, behind one face: a plane in, label maps out, step by step."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_medseg.engine.cluster.focus import emphasise_middle
from napari_medseg.engine.cluster.pixel_clusters import kmeans_job, otsu_labels
from napari_medseg.engine.colour import GREY
from napari_medseg.engine.results import retold

if TYPE_CHECKING:
    from torch import Tensor

    from napari_medseg.engine.cluster.options import ClusterOptions

_CHANNELS = 64
_NARROWEST = 32
_NOISE = 1 / 64
"""Blur of a focused k-means or Otsu, as a share of the longer side."""
_BLURRED_AT_ONCE = 1 << 20
"""So many pixels."""


@dataclass(frozen=True)
class StepLabels:
    """Labels after a step of a method.

    Parameters
    ----------
    labels : ndarray of int
        Cluster of every pixel, at the resolution the method works at.
    done : int
        Steps done.
    last : bool
        Whether this is the result.
    """

    labels: NDArray[np.integer]
    done: int
    last: bool = False


Steps = Generator[StepLabels | None, None, None]
"""Labels step by step; None in between, where a large plane takes long, says that it goes on."""


class Method(Protocol):
    """A way to cluster planes."""

    total: int
    """Most steps per plane."""

    def steps(self, plane: NDArray[np.float32], known: NDArray[np.bool_] | None = None) -> Steps:
        """Cluster a plane (H, W) or (H, W, 3) with values in [0, 1]; the last step is marked.

        `known`, shape (H, W), tells where the image has a value, if it has not everywhere.
        """


class PixelValues:
    """k-means or Otsu's threshold, done in one step."""

    total = 1

    def __init__(self, options: ClusterOptions) -> None:
        self._options = options

    def steps(self, plane: NDArray[np.float32], known: NDArray[np.bool_] | None = None) -> Steps:
        """Cluster a plane; see `Method`."""
        options = self._options
        if options.focus != "none":
            emphasised = emphasise_middle(plane, options.focus, known=known)
            plane = yield from blur_job(emphasised, known)
        if options.method == "otsu":
            labels = otsu_labels(GREY(plane), known)
        else:
            labels = yield from kmeans_job(plane, options.clusters, options.seed, known)
        yield StepLabels(labels, 1, last=True)


class SelfFitted:
    """S3-Net, fitted anew to each plane."""

    def __init__(self, options: ClusterOptions) -> None:
        self._options = options
        self.total = options.iterations

    def steps(self, plane: NDArray[np.float32], known: NDArray[np.bool_] | None = None) -> Steps:
        """Cluster a plane; see `Method`. To the net a pixel without a value is dark."""
        import torch

        from napari_medseg.engine.cluster.s3net_fit import IMPROVED, PUBLISHED, fit
        from napari_medseg.engine.devices import choose_device
        from napari_medseg.nets.localisation import LocalisationNet
        from napari_medseg.nets.s3net import S3Net

        options = self._options
        device = choose_device(options.device)
        seen = emphasise_middle(plane, options.focus)
        if options.focus == "lesion":
            seen = yield from blur_job(seen)
        improved = options.method == "s3net-improved"
        size = _kept_aspect(plane, options.size) if improved else (options.size, options.size)
        image = published_input(seen, size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            net = S3Net(3, _CHANNELS, 2, size).to(device)
            localiser = LocalisationNet(_CHANNELS).to(device)
        settings = replace(
            IMPROVED if improved else PUBLISHED,
            iterations=options.iterations,
            enough=options.enough,
            freeze_sampling=not options.train_sampling,
            freeze_kernels=not options.train_sampling,
        )
        iterations = fit(net, image.to(device), settings, localiser)
        labels = yield from retold(
            iterations, lambda step: StepLabels(step.labels, step.iteration + 1)
        )
        yield StepLabels(labels, self.total, last=True)


def published_input(plane: NDArray[np.float32], size: tuple[int, int]) -> Tensor:
    """Prepare a plane as the published program does: blue first, 8 bit, stretched to a size.

    Parameters
    ----------
    plane : ndarray of float32, shape (H, W) or (H, W, 3)
        Values of [0, 1] and beyond, red first.
    size : tuple of int
        Height and width that the net works at; square in the published program.

    Returns
    -------
    Tensor of float32, shape (1, 3, H, W)
        Resized bicubically and rounded to 1/255, values in [0, 1] as far as those of `plane` are.
    """
    import torch
    import torch.nn.functional as F

    colours = np.repeat(plane[..., None], 3, -1) if plane.ndim == 2 else plane[..., ::-1]
    tensor = torch.from_numpy(np.ascontiguousarray(colours)).permute(2, 0, 1)[None]
    low, high = min(0.0, float(plane.min())), max(1.0, float(plane.max()))
    small = F.interpolate(tensor, size, mode="bicubic")
    return (small.clamp(low, high) * 255).round() / 255


METHODS: dict[str, Callable[[ClusterOptions], Method]] = {
    "s3net": SelfFitted,
    "s3net-improved": SelfFitted,
    "kmeans": PixelValues,
    "otsu": PixelValues,
}
"""All methods by name."""


def _kept_aspect(plane: NDArray[np.float32], longer: int) -> tuple[int, int]:
    """Give the size in the plane's own shape, but never too narrow for the localisation net."""
    height, width = plane.shape[:2]
    scale = longer / max(height, width)
    return max(_NARROWEST, round(height * scale)), max(_NARROWEST, round(width * scale))


def blur_job(
    plane: NDArray[np.float32], known: NDArray[np.bool_] | None = None
) -> Generator[None, None, NDArray[np.float32]]:
    """Even out noise and hair in a plane (H, W), as wide as the plane asks for.

    With `known`, shape (H, W), only what these pixels hold is spread.

    Yields
    ------
    None
        Every million pixels: a large plane takes minutes.

    Returns
    -------
    ndarray of float32, shape (H, W)
    """
    if known is not None:
        weights = known.astype(np.float32)
        total = yield from blur_job(plane * weights)
        share = yield from blur_job(weights)
        return np.divide(total, share, out=np.zeros_like(total), where=share > 0)
    sigma = _NOISE * max(plane.shape)
    for axis in (0, 1):
        # Lines along the axis have nothing to do with each other.
        lines, blurred = np.moveaxis(plane, axis, -1), np.empty_like(plane)
        target = np.moveaxis(blurred, axis, -1)
        at_once = max(1, _BLURRED_AT_ONCE // lines.shape[1])
        for start in range(0, len(lines), at_once):
            if start:
                yield
            part = slice(start, start + at_once)
            target[part] = ndimage.gaussian_filter1d(lines[part], sigma)
        plane = blurred
    return plane
