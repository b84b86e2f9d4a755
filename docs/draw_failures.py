"""Draw what bundled models find where they should find nothing: `python docs/draw_failures.py`.

Needs no display. All images are the synthetic samples; no patient is in them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pictures import Tile, painted, photo, save_sheet

from medseg_samples import FOLDER, SETS
from napari_medseg import segment
from napari_medseg.io.images import read_image
from napari_medseg.zoo.registry import bundled_names, get_card

MADE_FOR = {"skin-lesion": "skin_lesions", "stained-nuclei": "stained_cells"}
VOLUMES = {"cardiac_mr": (0.0, 620.0), "abdomen_ct": (-160.0, 240.0)}
"""Sets of one volume, with the values that are black and white."""
COLUMNS = 3


def samples(folder: str) -> list[tuple[NDArray, Tile]]:
    """Give the images of a sample set, of a volume the middle plane, each with its picture."""
    planes = [read_image(path).data for path in sorted((FOLDER / folder / "images").iterdir())]
    if folder in VOLUMES:
        planes = [volume[len(volume) // 2] for volume in planes]
    low, high = VOLUMES.get(folder, (0.0, 255.0))
    return [(plane, photo(plane, folder, low, high)) for plane in planes]


def misplaced(name: str, sets: dict[str, list[tuple[NDArray, Tile]]]) -> Tile:
    """Show the sample, of those that a model is not made for, on which it finds the most."""
    others = [one for folder in sets if folder != MADE_FOR.get(name) for one in sets[folder]]
    answers = [segment(plane, name).labels for plane, _ in others]
    parts = [float(np.mean(labels > 0)) for labels in answers]
    most = int(np.argmax(parts))
    return painted(others[most][1], answers[most], f"{name}: {parts[most]:.0%}")


def main() -> None:
    """Draw the sheet."""
    sets = {folder: samples(folder) for folder in SETS}
    names = [name for name in sorted(bundled_names()) if get_card(name).kind == "pretrained"]
    tiles = [misplaced(name, sets) for name in names]
    rows = [tiles[start : start + COLUMNS] for start in range(0, len(tiles), COLUMNS)]
    save_sheet("failures", rows)


if __name__ == "__main__":
    main()
