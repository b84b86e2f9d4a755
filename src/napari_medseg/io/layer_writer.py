"""What napari's own Save does with a labels layer: the plugin's writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_medseg.io.atomic import split_suffix
from napari_medseg.io.formats.dicom.headers import DICOM_SUFFIXES
from napari_medseg.io.formats.zarr_labels import ZARR_SUFFIXES, zarr_label_steps
from napari_medseg.io.labels import write_labels
from napari_medseg.io.notes import NOTE_KEY, making_of
from napari_medseg.io.placement import geometry_of_labels
from napari_medseg.io.steps import finish


def write_layer(path: str, data: Any, attributes: Mapping[str, Any]) -> list[str]:
    """Save a labels layer; gives the paths written, as napari wants it.

    Raises
    ------
    ValueError, SaveError
        As `write_labels`, and where a DICOM-SEG is asked for, which needs to know its images.
    """
    notes = attributes.get("metadata", {}).get(NOTE_KEY, {})
    labels = np.asarray(data)
    made_by = making_of(notes, labels)
    geometry = geometry_of_labels(attributes, labels.ndim)
    suffix = split_suffix(Path(path).name)[1].lower()
    if suffix in ZARR_SUFFIXES:
        finish(zarr_label_steps(path, labels, geometry, made_by, notes.get("class_names")))
    elif suffix in DICOM_SUFFIXES:
        raise ValueError(
            "A DICOM-SEG belongs to its images; save it with Layers > Data > Export labels."
        )
    else:
        write_labels(path, labels, geometry, made_by, notes.get("class_names"))
    return [path]
