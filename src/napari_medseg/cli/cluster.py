"""``napari-medseg cluster``: split images by themselves, without labels or trained weights."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli import options as shared
from napari_medseg.cli.images import Start, check_images, run_on_images
from napari_medseg.cli.report import WrongRequest, refusing, say
from napari_medseg.cli.sharing import sharing
from napari_medseg.session.settings import settings

if TYPE_CHECKING:
    from napari_medseg.engine.cluster.options import ClusterOptions
    from napari_medseg.engine.results import Job, Progress, Segmentation
    from napari_medseg.io.images import ImageFile

Sides = tuple[int, int, int, int]
"""Top, left, bottom and right of a part of a plane, in pixels."""
_TAKE = "Taking one cluster"
_FINE = "Fine points"


class ClusterMethod(StrEnum):
    """Ways to cluster."""

    s3net = "s3net"
    s3net_improved = "s3net-improved"
    kmeans = "kmeans"
    otsu = "otsu"


class LookFor(StrEnum):
    """What is looked for inside the image."""

    none = "none"
    dark = "dark"
    bright = "bright"
    lesion = "lesion"


Seed = Annotated[int, typer.Option(min=0, help="Of everything drawn at random.")]
Focus = Annotated[
    LookFor,
    typer.Option(help="Look for something dark or bright inside the image, or a lesion on skin."),
]
Clusters = Annotated[int, typer.Option(min=2, max=64, help="Clusters of k-means.")]
Enough = Annotated[
    int,
    typer.Option(
        min=1, help="S3-Net stops when no more are left than this.", rich_help_panel=_FINE
    ),
]
Iterations = Annotated[
    int, typer.Option(min=1, help="S3-Net stops after so many.", rich_help_panel=_FINE)
]
Size = Annotated[
    int, typer.Option(help="S3-Net works at this many pixels squared.", rich_help_panel=_FINE)
]
Sampling = Annotated[
    bool,
    typer.Option(
        "--train-sampling",
        help="Train S3-Net's sampling and kernels too, as published.",
        rich_help_panel=_FINE,
    ),
]
StopAfter = Annotated[
    int,
    typer.Option(
        min=0, help="Give the clusters there are after so many iterations.", rich_help_panel=_FINE
    ),
]
Rectangle = Annotated[
    str | None,
    typer.Option(help="Only this part of each plane, in pixels.", metavar="TOP,LEFT,BOTTOM,RIGHT"),
]
Take = Annotated[
    str | None,
    typer.Option(
        help="Keep only the cluster under this pixel.", metavar="ROW,COLUMN", rich_help_panel=_TAKE
    ),
]
Piece = Annotated[
    bool,
    typer.Option("--piece", help="Only what hangs together with it.", rich_help_panel=_TAKE),
]
Label = Annotated[
    int, typer.Option(min=1, max=255, help="Label it becomes.", rich_help_panel=_TAKE)
]


@dataclass(frozen=True)
class Fitting:
    """How S3-Net is fitted to an image."""

    enough: Enough = 3
    iterations: Iterations = 50
    size: Size = 256
    train_sampling: Sampling = False
    stop_after: StopAfter = 0


@dataclass(frozen=True)
class Taking:
    """Which one cluster is kept, if not all of them."""

    take: Take = None
    piece: Piece = False
    label: Label = 1

    @property
    def pixel(self) -> tuple[int, int] | None:
        """Row and column in it.

        Raises
        ------
        ValueError
            With one sentence, where these are not two numbers, or nothing is picked that the other
            options could be about.
        """
        if self.take is None and (self.piece or self.label != 1):
            raise ValueError(
                "--piece and --label are about the cluster that --take picks; say which one with "
                "--take ROW,COLUMN."
            )
        found = _numbers(self.take, 2, "--take", "120,80")
        return None if found is None else (found[0], found[1])


@sharing
def cluster(
    context: typer.Context,
    inputs: shared.Images,
    *,
    method: Annotated[ClusterMethod, typer.Option(help="How to cluster.")] = ClusterMethod.s3net,
    seed: Seed = 0,
    focus: Focus = LookFor.none,
    clusters: Clusters = 2,
    device: shared.OnDevice = None,
    looking: shared.Looking,
    rectangle: Rectangle = None,
    taking: Taking,
    fitting: Fitting,
    saving: shared.Saving,
) -> None:
    """Split images into clusters of pixels that belong together; volumes plane by plane."""
    with refusing(ValueError, OSError):
        check_images(inputs, saving.out)
        from napari_medseg.engine.cluster.options import ClusterOptions
        from napari_medseg.engine.devices import checked_name

        if clusters != 2 and method is not ClusterMethod.kmeans:
            say(f"--clusters is a choice of k-means; {method.value} makes its own.")
        chosen = ClusterOptions(
            method.value,
            seed,
            focus.value,
            clusters,
            device=checked_name(device or settings().device),
            **asdict(fitting),
        )
        request = saving.request(context, looking, asdict(chosen))
        start = partial(_start, options=chosen, rectangle=_sides(rectangle))
        if taking.pixel is not None:
            start = partial(_start_taking, start=start, pixel=taking.pixel, taking=taking)
    run_on_images("cluster", inputs, request, start, saving.json_)


def _sides(text: str | None) -> Sides | None:
    found = _numbers(text, 4, "--rectangle", "0,0,64,64")
    return None if found is None else (found[0], found[1], found[2], found[3])


def _numbers(text: str | None, count: int, option: str, like: str) -> tuple[int, ...] | None:
    return None if text is None else shared.parsed_numbers(text, count, option, like)


def _start(
    image: ImageFile,
    seen: dict[str, Any],
    options: ClusterOptions,
    rectangle: Sides | None,
) -> Job:
    from napari_medseg.engine.cluster.job import cluster_job

    _check_rectangle(rectangle, image, seen["axis"])
    return cluster_job(image.data, options, rectangle=rectangle, **seen)


def _check_rectangle(rectangle: Sides | None, image: ImageFile, axis: int) -> None:
    if rectangle is None:
        return
    height, width = _plane_size(image, axis)
    top, left, bottom, right = rectangle
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise WrongRequest(
            f"--rectangle {','.join(map(str, rectangle))} (top, left, bottom, right) does not lie "
            f"in a plane of {height} × {width} pixels."
        )


def _plane_size(image: ImageFile, axis: int) -> tuple[int, int]:
    sides = list(image.data.shape[: image.geometry.ndim])
    height, width = sides[:axis] + sides[axis + 1 :] if len(sides) == 3 else sides
    return height, width


def _start_taking(
    image: ImageFile, seen: dict[str, Any], start: Start, pixel: tuple[int, int], taking: Taking
) -> Job:
    height, width = _plane_size(image, seen["axis"])
    if not (0 <= pixel[0] < height and 0 <= pixel[1] < width):
        raise WrongRequest(
            f"--take {pixel[0]},{pixel[1]} (row, column) does not lie in a plane of "
            f"{height} × {width} pixels."
        )
    return _taken(start(image, seen), image, seen, pixel, taking)


def _taken(
    job: Job, image: ImageFile, seen: dict[str, Any], pixel: tuple[int, int], taking: Taking
) -> Generator[Progress, None, Segmentation]:
    """Cluster, and keep only what lies under a pixel of the one plane that was asked for."""
    import numpy as np

    from napari_medseg.engine.cluster.pick import pick_cluster

    is_volume = image.geometry.ndim == 3
    if is_volume and len(seen["planes"] or ()) != 1:
        raise WrongRequest("--take needs one plane of a volume: say which with --planes.")
    found = yield from job
    at: Any = (slice(None),) * seen["axis"] + (seen["planes"][0],) if is_volume else ...
    mask = pick_cluster(found.labels[at], *pixel, piece=taking.piece)
    if not mask.any():
        raise ValueError(f"There is no cluster at row {pixel[0]}, column {pixel[1]}.")
    labels = np.zeros_like(found.labels)
    labels[at][mask] = taking.label
    names = ("background", *(f"class {number}" for number in range(1, taking.label + 1)))
    taken = {"take": {"at": list(pixel), "piece": taking.piece, "class": taking.label}}
    made = replace(found.provenance, parameters={**found.provenance.parameters, **taken})
    return replace(found, labels=labels, class_names=names, provenance=made)
