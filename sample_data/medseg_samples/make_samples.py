"""Draw the samples anew: ``python -m medseg_samples.make_samples [FOLDER]``.

Each set becomes a folder::

    examples/   a support set: painted planes to segment by
    images/     images to try it on, none of them among the examples
    masks/      what the right answer is

Everything is drawn from formulas with fixed seeds; no patient, no other data set is in it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from medseg_samples.phantoms import abdomen, cells, heart, skin
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.scaling import robust_range
from napari_medseg.io.atomic import atomic_write
from napari_medseg.io.formats.tiff import ome_entries
from napari_medseg.io.geometry import Geometry
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import write_labels

Draw = Callable[[int], tuple[NDArray, NDArray]]
SKIN_SEEDS = (0, 1, 2, 3, 4, 5, 6, 7)
CELL_SEEDS = (0, 1, 2, 3, 4, 5, 6, 7)
N_EXAMPLES = 4
HEART_SEEDS, HEART_PLANES = (1, 2), (1, 3, 5, 7)
ABDOMEN_SEEDS, ABDOMEN_PLANES = (2, 1), (2, 5, 7, 9, 11, 13, 16)


def main(folder: Path) -> None:
    """Write all sets below `folder`, in place of those that are there."""
    make_photos(folder / "skin_lesions", skin.skin_lesion, SKIN_SEEDS, skin.CLASS_NAMES)
    make_photos(folder / "stained_cells", cells.stained_cells, CELL_SEEDS, cells.CLASS_NAMES)
    make_volumes(
        folder / "cardiac_mr",
        heart.cardiac_mr,
        HEART_SEEDS,
        HEART_PLANES,
        heart.SPACING,
        heart.CLASS_NAMES,
    )
    make_volumes(
        folder / "abdomen_ct",
        abdomen.abdomen_ct,
        ABDOMEN_SEEDS,
        ABDOMEN_PLANES,
        abdomen.SPACING,
        abdomen.CLASS_NAMES,
    )


def make_photos(folder: Path, draw: Draw, seeds: Sequence[int], class_names: Sequence[str]) -> None:
    """Write colour images: the first ones as examples, the others to try."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    support = SupportSet(class_names=class_names)
    for number, seed in enumerate(seeds, start=1):
        image, mask = draw(seed)
        if number <= N_EXAMPLES:
            support.add(image, mask)
            continue
        Image.fromarray(image).save(folder / "images" / f"{number:02d}.png", optimize=True)
        write_labels(folder / "masks" / f"{number:02d}.png", mask, class_names=class_names)
    support.save(folder / "examples")


def make_volumes(
    folder: Path,
    draw: Draw,
    seeds: tuple[int, int],
    planes: Sequence[int],
    spacing: tuple[float, float, float],
    class_names: Sequence[str],
) -> None:
    """Write planes of one patient as examples, and the volume of another one to try."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    volume, labels = draw(seeds[0])
    support = SupportSet(class_names=class_names)
    for plane in planes:
        support.add(volume[plane], labels[plane], value_range=robust_range(volume))
    support.save(folder / "examples")
    volume, labels = draw(seeds[1])
    geometry = Geometry(spacing=spacing, units="mm")
    write_volume(folder / "images" / "patient_2.ome.tif", volume, geometry)
    write_labels(folder / "masks" / "patient_2.ome.tif", labels, geometry, class_names=class_names)


def write_volume(path: Path, volume: NDArray, geometry: Geometry) -> None:
    """Write an image volume as compressed OME-TIFF with its spacing in mm."""
    metadata, options = ome_entries(geometry)
    atomic_write(
        path,
        lambda temporary: tifffile.imwrite(
            temporary,
            volume,
            photometric="minisblack",
            compression="zlib",
            compressionargs={"level": 9},
            predictor=True,
            metadata={"axes": "ZYX"} | metadata,
            **options,
        ),
        lambda temporary: np.testing.assert_array_equal(read_image(temporary).data, volume),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
