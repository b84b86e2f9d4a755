"""What is chosen to be exported: labels, the image they go with, and where the sliders stand."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from napari_medseg.io.units import written
from napari_medseg.session.export.moment import Moment, image_shown, labels_shown
from napari_medseg.session.layers.geometry_of import lie_alike
from napari_medseg.session.layers.owners import (
    are_of_two_patients,
    has_owner,
    image_for,
    may_belong,
    owner_name,
    owner_of,
)
from napari_medseg.session.layers.stack import shape_of
from napari_medseg.session.layers.subject import NO_UNIT, spacing_of, why_not_together

if TYPE_CHECKING:
    from napari.components import Dims
    from napari.layers import Image, Labels


@dataclass(frozen=True)
class ToExport:
    """Labels and an image; of such over time what is shown is meant.

    Parameters
    ----------
    labels : napari Labels, optional
        What is exported.
    image : napari Image, optional
        Which it belongs to, for files that name it.
    dims : napari Dims
        Of the viewer.
    """

    labels: Labels | None
    image: Image | None
    dims: Dims

    @cached_property
    def labels_shown(self) -> Labels | None:
        """What is shown of the labels."""
        return None if self.labels is None else labels_shown(self.labels, self.dims)

    @cached_property
    def image_shown(self) -> Image | None:
        """What is shown of the image."""
        return None if self.image is None else image_shown(self.image, self.dims)

    @cached_property
    def moments(self) -> list[Moment | None]:
        """Points of time shown, of the labels first; None where all axes are of space."""
        layers = (self.labels, self.image)
        return [Moment.shown(layer, self.dims) for layer in layers if layer is not None]

    @property
    def suffix(self) -> str:
        """What the name of a file ends with, such as ``_t1``."""
        return "" if self._moment is None else self._moment.suffix

    @property
    def _moment(self) -> Moment | None:
        """The point of time that goes into the file: of the labels, or else of their image."""
        known = (moment for moment in self.moments if moment is not None)
        return None if self.labels is None else next(known, None)

    @property
    def n_axes(self) -> int:
        """How many axes go into a file; 3 without labels."""
        if self.labels is None:
            return 3
        moment = self.moments[0]
        return self.labels.ndim - (0 if moment is None else len(moment.index))

    def fits(self, image: Image) -> bool:
        """Tell whether what is shown of the labels lies on what is shown of an image."""
        return self.labels is not None and not self._why_apart(self.labels, image)

    def image_among(self, images: Iterable[Image]) -> Image | None:
        """Give the image the labels were made on; where that is not known the one chosen stays."""
        if self.labels is None:
            return None
        fitting = [image for image in images if self.fits(image)]
        stays = self.image in fitting and not has_owner(self.labels)
        return self.image if stays else image_for(self.labels, fitting)

    def why_unsuited(self) -> str:
        """Say why nothing can be written of these, into whatever file; empty if it can."""
        labels, image = self.labels, self.image
        if labels is None or image is None:
            return ""
        reason, owner = self._why_apart(labels, image), owner_of(labels)
        if not reason and owner is not None and not self._lie_alike(owner, image):
            reason = "The image lies elsewhere than the one the labels were made on; choose that."
        if not reason and are_of_two_patients(labels, image):
            reason = "The labels are of another patient than the image; choose the image of theirs."
        return reason

    def plan(self) -> str:
        """Say which voxels would be written, and how large they are; nothing without labels."""
        labels, image = self.labels_shown, self.image
        if labels is None:
            return ""
        shape = " × ".join(str(n) for n in shape_of(labels))
        grid = f"on the grid of “{image.name}”" if image is not None else "on a grid of its own"
        spacing, unit = spacing_of(labels)
        sizes = " × ".join(f"{size:.3g}" for size in spacing)
        size = "" if unit in ("px", NO_UNIT) else f" of {sizes} {written(unit)}"
        told = f"“{labels.name}” {grid}: {shape} voxels{size}. It is read back and compared."
        moment = "" if self._moment is None else f"{self._moment} "
        return f"{self._made_on_another()}{moment}{told}"

    def _made_on_another(self) -> str:
        """Say on what labels were made, if that is another image than the one they go with."""
        labels, image = self.labels, self.image
        made_on = "" if labels is None else owner_name(labels)
        if labels is None or not made_on or (image is not None and may_belong(labels, image)):
            return ""
        return f"The labels were made on “{made_on}”, which is not the image above. "

    def _lie_alike(self, owner: Image, image: Image) -> bool:
        return lie_alike(image_shown(owner, self.dims), image_shown(image, self.dims))

    def _why_apart(self, labels: Labels, image: Image) -> str:
        return why_not_together(labels_shown(labels, self.dims), image_shown(image, self.dims))
