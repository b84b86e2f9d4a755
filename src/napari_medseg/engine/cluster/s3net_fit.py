"""Fit S3-Net to one image: the loop that turns the net into a method.

Karimijafarbigloo, Azad et al., "Self-supervised Semantic Segmentation: Consistency over
Transformation", ICCV Workshops 2023.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.cluster.losses import boundary_loss, localised_consistency

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from napari_medseg.nets.localisation import LocalisationNet
    from napari_medseg.nets.s3net import S3Net

Labels = NDArray[np.integer]

_FEWEST_ITERATIONS = 6


@dataclass(frozen=True)
class FitSettings:
    """How S3-Net is fitted; the defaults are the published ones.

    Parameters
    ----------
    learning_rate, momentum : float
        Of stochastic gradient descent.
    cluster_weight, auxiliary_weight, boundary_weight : float
        Of the cross-entropy of either head against the labels of the main head, and of
        `boundary_loss`.
    localise : bool
        Whether the auxiliary head is compared in an affine view that a small net chooses. The
        published view, a quarter turn, moves both heads alike and changes nothing: it is
        left out.
    iterations : int
        At most so many; six at least, unless this is less.
    enough : int
        It stops once no more clusters than this are left.
    freeze_sampling : bool
        Keep the offsets and masks of the deformable convolution as they were drawn. In a run they
        move by a thousandth of a pixel when trained, for a third of the time.
    freeze_kernels : bool
        Keep the kernels of the depthwise convolutions as they were drawn, too. They hardly move,
        and their gradient is the dearest of all; but where a run is undecided it may end in
        another label map.
    """

    learning_rate: float = 0.2
    momentum: float = 0.9
    cluster_weight: float = 3.5
    auxiliary_weight: float = 0.2
    boundary_weight: float = 0.0
    localise: bool = False
    iterations: int = 50
    enough: int = 3
    freeze_sampling: bool = True
    freeze_kernels: bool = True


PUBLISHED = FitSettings()
IMPROVED = replace(
    PUBLISHED, learning_rate=0.36, auxiliary_weight=0.5, boundary_weight=2.0, localise=True
)


@dataclass(frozen=True)
class FitStep:
    """One iteration.

    Parameters
    ----------
    iteration : int
        From 0.
    labels : ndarray of int, shape (H, W)
        Cluster of every pixel before this iteration's step.
    clusters : int
        How many there are.
    cluster_loss, auxiliary_loss : float
        The weighted terms.
    """

    iteration: int
    labels: Labels
    clusters: int
    cluster_loss: float
    auxiliary_loss: float


def fit(
    net: S3Net,
    image: Tensor,
    settings: FitSettings = PUBLISHED,
    localiser: LocalisationNet | None = None,
) -> Generator[FitStep, None, Labels]:
    """Fit a fresh net to an image by the labels it gives itself.

    Parameters
    ----------
    net : S3Net
        Made for the size of the image; it is changed.
    image : Tensor, shape (1, C, H, W)
        Values in [0, 1], on the device of the net.
    settings : FitSettings
        See there.
    localiser : LocalisationNet, optional
        Wanted where `settings.localise` says so; it is fitted too.

    Yields
    ------
    FitStep
        After every iteration.

    Returns
    -------
    ndarray of int, shape (H, W)
        The label map after the last iteration. Labels are numbers of the net's channels.
    """
    import torch

    if settings.localise and localiser is None:
        raise ValueError("A localisation net is needed to fit with a localised view.")
    net.train()
    # All that follows from an image in this layout is in it too; on a CPU it is the faster one.
    image = image.contiguous(memory_format=torch.channels_last)
    learned = _learned_parameters(net, settings, localiser)
    optimiser = torch.optim.SGD(learned, settings.learning_rate, settings.momentum)
    for iteration in range(settings.iterations):
        optimiser.zero_grad()
        step, loss = _look(net, image, settings, localiser, iteration)
        loss.backward()
        optimiser.step()
        yield step
        if step.clusters <= settings.enough and iteration + 1 >= _FEWEST_ITERATIONS:
            break
    with torch.no_grad():
        return _labels(net.head(net.features(image), image))


def _learned_parameters(
    net: S3Net, settings: FitSettings, localiser: LocalisationNet | None
) -> list[torch.nn.Parameter]:
    from napari_medseg.nets.depthwise import DepthwiseConv2d

    for parameter in (net.convdeform.offset, net.convdeform.mask):
        parameter.requires_grad_(not settings.freeze_sampling)
    for module in net.modules():
        if isinstance(module, DepthwiseConv2d):
            module.weight.requires_grad_(not settings.freeze_kernels)
    learned = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if settings.localise and localiser is not None:
        learned += localiser.parameters()
    return learned


def _look(
    net: S3Net,
    image: Tensor,
    settings: FitSettings,
    localiser: LocalisationNet | None,
    iteration: int,
) -> tuple[FitStep, Tensor]:
    """Label the image and say what that labelling costs."""
    import torch.nn.functional as F

    features = net.features(image)
    logits, auxiliary = net.head(features, image), net.auxiliary(features)
    target = _rows(logits).argmax(1).view(len(logits), *logits.shape[2:])
    cluster_loss = settings.cluster_weight * F.cross_entropy(_rows(logits), target.flatten())
    if settings.localise and localiser is not None:
        consistency = localised_consistency(logits, auxiliary, features, localiser)
    else:
        consistency = F.cross_entropy(_rows(auxiliary), target.flatten())
    auxiliary_loss = settings.auxiliary_weight * consistency
    loss = cluster_loss + auxiliary_loss
    if settings.boundary_weight:
        loss = loss + settings.boundary_weight * boundary_loss(logits)
    step = FitStep(
        iteration,
        target[0].cpu().numpy(),
        int(target.unique().numel()),
        float(cluster_loss.detach()),
        float(auxiliary_loss.detach()),
    )
    return step, loss


def _rows(maps: Tensor) -> Tensor:
    """Give maps (B, C, H, W) as one row per pixel, whose softmax is the faster one."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def _labels(logits: Tensor) -> Labels:
    labels: Labels = logits.argmax(1)[0].cpu().numpy()
    return labels
