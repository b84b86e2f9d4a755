"""What can be asked of clustering."""

from __future__ import annotations

from dataclasses import dataclass

from napari_medseg.engine.cluster.focus import FOCUSES, Focus
from napari_medseg.engine.cluster.methods import METHODS
from napari_medseg.engine.results import check_seed


@dataclass(frozen=True)
class ClusterOptions:
    """How to cluster.

    Parameters
    ----------
    method : str
        ``"s3net"``: as published. ``"s3net-improved"``: with the localised view and the boundary
        term of its later description. ``"kmeans"``, ``"otsu"``: by the pixels' values alone.
    seed : int
        Of everything drawn at random; the same seed gives the same labels on the same computer.
    focus : {"none", "dark", "bright", "lesion"}
        Whether something dark or bright inside the image is looked for: then its middle
        is emphasised, colour is left out, and pieces that touch its edge become clusters of
        their own. A lesion is something dark on skin, seen in blue light; it may touch the edge.
    clusters : int
        Clusters of k-means.
    enough : int
        S3-Net stops when no more clusters than this are left.
    iterations : int
        S3-Net stops after so many at the latest.
    size : int
        S3-Net works at this many pixels squared.
    train_sampling : bool
        Train everything in S3-Net, as published: also the offsets and masks of its deformable
        convolution and its depthwise kernels, which hardly move. Slower by half.
    stop_after : int
        Give each plane the clusters that it has after so many iterations, unfinished, as pressing
        Cancel does; 0 for not at all.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.

    Raises
    ------
    ValueError
        If a value cannot be used.
    """

    method: str = "s3net"
    seed: int = 0
    focus: Focus = "none"
    clusters: int = 2
    enough: int = 3
    iterations: int = 50
    size: int = 256
    train_sampling: bool = False
    stop_after: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.method not in METHODS:
            raise ValueError(
                f"There is no method {self.method!r}; choose one of {', '.join(METHODS)}."
            )
        if self.focus not in FOCUSES:
            raise ValueError(f"The focus must be one of {', '.join(FOCUSES)}, not {self.focus!r}.")
        if not 2 <= self.clusters <= 64:
            raise ValueError(f"Choose 2 to 64 clusters, not {self.clusters}.")
        if self.iterations < 1 or self.enough < 1 or self.stop_after < 0:
            raise ValueError("At least one iteration and one cluster are needed.")
        if not 32 <= self.size <= 1024:
            raise ValueError(f"S3-Net works at 32 to 1024 pixels squared, not {self.size}.")
