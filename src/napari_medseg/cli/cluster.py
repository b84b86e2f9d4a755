"""``napari-medseg cluster``: split images by themselves, without labels or trained weights."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medseg.cli.outputs import Format, check_names, checked_folder, suffix_for
from napari_medseg.cli.report import check_files, refusing, run_each, run_job

if TYPE_CHECKING:
    from napari_medseg.engine.cluster import ClusterOptions


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


def cluster(
    inputs: Annotated[
        list[Path], typer.Argument(help="Images and volumes: PNG, JPEG, BMP, TIFF, NIfTI.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the label maps.", metavar="OUT")
    ],
    method: Annotated[ClusterMethod, typer.Option(help="How to cluster.")] = ClusterMethod.s3net,
    seed: Annotated[int, typer.Option(min=0, help="Of everything drawn at random.")] = 0,
    focus: Annotated[
        LookFor, typer.Option(help="Look for something dark or bright inside the image.")
    ] = LookFor.none,
    clusters: Annotated[int, typer.Option(min=2, max=64, help="Clusters of k-means.")] = 2,
    to: Annotated[
        Format | None, typer.Option(help="Kind of label map; PNG for planes, NIfTI for volumes.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print a report as JSON.")] = False,
) -> None:
    """Split images into clusters of pixels that belong together; volumes plane by plane."""
    check_files(*inputs)
    with refusing(ValueError, OSError):
        check_names(inputs, out)
        from napari_medseg.engine.cluster import ClusterOptions

        options = ClusterOptions(method.value, seed, focus.value, clusters)
        folder = checked_folder(out)
    run_each("cluster", inputs, lambda path: _cluster(path, options, folder, to), json_)


def _cluster(
    path: Path, options: ClusterOptions, folder: Path, to: Format | None
) -> dict[str, Any]:
    """Cluster one image, write the label map, and give the entry of the report."""
    import numpy as np

    from napari_medseg.engine.cluster import cluster_job
    from napari_medseg.io.images import read_image
    from napari_medseg.io.labels import write_labels

    image = read_image(path)
    target = folder / f"{image.name}{suffix_for(image.geometry.ndim, to)}"
    segmentation = run_job(cluster_job(image.data, options, rgb=image.rgb), path.name)
    names, made = segmentation.class_names, segmentation.provenance
    write_labels(target, segmentation.labels, image.geometry, made, names)
    counts = np.bincount(segmentation.labels.ravel(), minlength=len(names)).tolist()
    return {
        "input": str(path),
        "output": str(target),
        "shape": list(segmentation.labels.shape),
        "pixels": dict(zip(names, counts, strict=True)),
        "provenance": made.as_dict(),
    }
