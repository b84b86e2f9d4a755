"""What S3-Net is fitted to, beside agreeing with its own labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from napari_medseg.nets.localisation import LocalisationNet


def boundary_loss(logits: Tensor, alpha: float = 3.0, beta: int = 16) -> Tensor:
    """Say how much of the label map is too fine to survive shrinking it `beta` times.

    The improved variant's boundary term, ``|Up(Down(Y)) - Y|``, on soft labels, so that it has a
    gradient; the published description takes it of the labels' numbers, which has none.

    Parameters
    ----------
    logits : Tensor, shape (B, C, H, W)
        Logits of the clusters.
    alpha : float
        Factor of the logits before the softmax: higher is nearer to hard labels.
    beta : int
        How many times smaller the map is made.

    Returns
    -------
    Tensor, scalar
        Sum over clusters, mean over pixels; 0 for a map of one cluster, at most 2.
    """
    import torch.nn.functional as F

    share = (alpha * logits).softmax(1)
    size = logits.shape[2:]
    few = [max(1, length // beta) for length in size]
    small = F.interpolate(share, few, mode="bilinear", antialias=True)
    back = F.interpolate(small, size, mode="bilinear")
    return (back - share).abs().sum(1).mean()


def localised_consistency(
    logits: Tensor, auxiliary: Tensor, features: Tensor, localiser: LocalisationNet
) -> Tensor:
    """Say how well the auxiliary head labels an affine view of the image as the main head does.

    Parameters
    ----------
    logits, auxiliary : Tensor, shape (B, C, H, W)
        Of the two heads. No gradient flows into `logits`.
    features : Tensor, shape (B, C, H, W)
        What the localiser chooses the view by.
    localiser : LocalisationNet
        Chooses the view.

    Returns
    -------
    Tensor, scalar
        Cross-entropy, mean over the pixels of the view that lie inside the image.
    """
    import torch.nn.functional as F

    from napari_medseg.nets.localisation import affine_view

    matrix = localiser(features)
    view, inside = affine_view(auxiliary, matrix)
    target = affine_view(logits.detach(), matrix.detach())[0].argmax(1)
    loss = F.cross_entropy(view, target, reduction="none")
    return (loss * inside).sum() / inside.sum().clamp(min=1)
