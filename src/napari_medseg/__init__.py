"""Segment medical images by example, with pretrained networks, or without labels at all.

The names below are the public Python API. They are imported on first use, so that importing the
package (which napari does at every start) loads neither torch nor the networks.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_medseg.engine.by_example.job import segment_by_example as segment_by_example
    from napari_medseg.engine.by_example.support import SupportExample as SupportExample
    from napari_medseg.engine.by_example.support import SupportSet as SupportSet
    from napari_medseg.engine.cluster.job import cluster as cluster
    from napari_medseg.engine.cluster.pick import pick_cluster as pick_cluster
    from napari_medseg.engine.measure.compare import compare as compare
    from napari_medseg.engine.measure.objects import split_objects as split_objects
    from napari_medseg.engine.measure.regions import measure as measure
    from napari_medseg.engine.postprocess import PostProcess as PostProcess
    from napari_medseg.engine.results import Progress as Progress
    from napari_medseg.engine.results import Provenance as Provenance
    from napari_medseg.engine.results import Segmentation as Segmentation
    from napari_medseg.engine.with_model.job import segment as segment
    from napari_medseg.io.geometry import Geometry as Geometry
    from napari_medseg.io.images import read_image as read_image
    from napari_medseg.zoo.cards import ModelCard as ModelCard
    from napari_medseg.zoo.registry import list_models as list_models

# Read when torch is loaded, later: idle OpenMP threads shall sleep, not spin. Beside any other busy
# process, such as napari's own window, spinning makes the networks several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HOME = {
    "Geometry": "io.geometry",
    "ModelCard": "zoo.cards",
    "PostProcess": "engine.postprocess",
    "Progress": "engine.results",
    "Provenance": "engine.results",
    "Segmentation": "engine.results",
    "SupportExample": "engine.by_example.support",
    "SupportSet": "engine.by_example.support",
    "cluster": "engine.cluster.job",
    "compare": "engine.measure.compare",
    "list_models": "zoo.registry",
    "measure": "engine.measure.regions",
    "pick_cluster": "engine.cluster.pick",
    "read_image": "io.images",
    "segment": "engine.with_model.job",
    "segment_by_example": "engine.by_example.job",
    "split_objects": "engine.measure.objects",
}

__all__ = sorted(_HOME)

try:
    __version__ = version("napari-medseg")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
