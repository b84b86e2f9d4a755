"""What comes back from a journal: labels where they lay, and examples."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.support import (
    SupportError,
    SupportExample,
    SupportSet,
    make_example,
)
from napari_medseg.engine.measure.classes import class_name
from napari_medseg.io.notes import NOTE_KEY
from napari_medseg.session.journal.blocks import BlockGrid
from napari_medseg.session.journal.examples import example_of
from napari_medseg.session.journal.records import read_records
from napari_medseg.session.layers.colours import class_colormap
from napari_medseg.session.layers.stack import full_resolution
from napari_medseg.session.locks import Locks

if TYPE_CHECKING:
    from napari.layers import Image, Labels


@dataclass(frozen=True)
class RestoredLabels:
    """Labels as they were when the program ended.

    Parameters
    ----------
    labels : ndarray of integers
        The whole array.
    layer : dict
        Where it lay: the arguments of a napari layer.
    notes : dict
        Class names, approved planes, locked classes and the geometry of the file.
    """

    labels: NDArray[np.integer]
    layer: dict[str, Any]
    notes: dict[str, Any]

    @property
    def in_words(self) -> str:
        """What it is: the classes, the pixels, the planes."""
        names, used, pixels, planes = self.notes.get("class_names", ()), set[int](), 0, 0
        for plane in self.labels.reshape(-1, *self.labels.shape[-2:]):
            painted = plane[plane != 0]
            used.update(np.unique(painted).tolist())
            pixels += painted.size
            planes += painted.size > 0
        named = [class_name(names, i) if i > 0 else f"class {i}" for i in sorted(used)]
        shown = ", ".join(named[:3]) + (" and more" if len(named) > 3 else "")
        return f"{shown}; {pixels:,} pixels" + (f" on {planes} planes" if planes > 1 else "")


def read_labels_journal(path: Path) -> RestoredLabels | None:
    """Read labels from a journal; None where nothing was painted.

    Raises
    ------
    OSError
        If the file is gone.
    """
    labels: NDArray[Any] | None = None
    grid = BlockGrid(())
    head: dict[str, Any] = {}
    notes: dict[str, Any] = {}
    for record in read_records(path):
        if "shape" in record.note:
            head, notes = record.note, {}
            labels = np.zeros(tuple(head["shape"]), np.dtype(head["dtype"]))
            grid = BlockGrid(labels.shape)
        elif "block" in record.note and labels is not None:
            box = grid.box(tuple(record.note["block"]))
            part = np.frombuffer(zlib.decompress(record.body), labels.dtype)
            labels[box] = part.reshape(labels[box].shape)
        elif "notes" in record.note:
            notes = record.note["notes"]
    if labels is None or not labels.any():
        return None
    return RestoredLabels(labels, head["layer"], notes)


def read_examples_journal(path: Path) -> SupportSet | None:
    """Read the examples from a journal; None where there were none at the end.

    Raises
    ------
    OSError
        If the file is gone.
    """
    known: dict[str, tuple[dict[str, Any], bytes]] = {}
    present: list[str] = []
    names: list[str] = []
    for record in read_records(path):
        if "example" in record.note:
            known[record.note["example"]] = (record.note, record.body)
        elif "present" in record.note:
            present, names = record.note["present"], record.note["class_names"]
    support = SupportSet(class_names=names)
    support.examples = [
        example_of(*known[name], number) for number, name in enumerate(present, 1) if name in known
    ]
    return support if len(support) else None


def layer_of(restored: RestoredLabels, name: str) -> Labels:
    """Give restored labels as a layer that lies where they lay."""
    from napari.layers import Labels

    placed = dict(restored.layer)
    notes = dict(restored.notes)
    planes = frozenset(tuple(key) for key in notes.pop("approved", ()))
    locks = Locks(planes, frozenset(notes.pop("locked_classes", ())))
    layer = Labels(
        restored.labels,
        name=name,
        colormap=class_colormap(),
        metadata={NOTE_KEY: notes},
        **{key: np.asarray(placed[key]) for key in ("rotate", "shear", "affine")},
        **{key: placed[key] for key in ("scale", "translate", "units", "axis_labels")},
    )
    if locks:
        locks.put(layer)
    return layer


def picture_of(restored: RestoredLabels, image: Image | None) -> SupportExample | None:
    """Give the plane with the most paint, and the image under it, to show what will come back."""
    labels = restored.labels
    lead = labels.reshape(-1, *labels.shape[-2:])
    index = int(np.count_nonzero(lead, axis=(1, 2)).argmax())
    at = np.unravel_index(index, labels.shape[:-2]) if labels.ndim > 2 else ()
    mask = np.minimum(lead[index], 255).astype(np.uint8)
    pixels = np.zeros(mask.shape, np.uint8)
    if image is not None:
        missing = image.ndim - labels.ndim
        data = full_resolution(image)
        if missing >= 0 and tuple(data.shape[missing : image.ndim]) == labels.shape:
            pixels = np.asarray(data[(0,) * missing + tuple(int(i) for i in at)])
    try:
        return make_example(pixels, mask)
    except SupportError:
        return None
