"""The labels and probabilities of a run, as they fill up rows by rows."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.cut import labels_from_probabilities
from napari_medseg.engine.memory import fits
from napari_medseg.engine.planes import Planes
from napari_medseg.engine.postprocess import PostProcess, postprocess
from napari_medseg.engine.results import PlaneLabels, PlanePreview, Provenance, Segmentation
from napari_medseg.zoo.specs import OutputSpec

PREVIEW_PIXELS = 2**24
"""Planes with more pixels are shown only where the probabilities of all fit into memory."""


class Canvas:
    """What a run has found so far.

    Parameters
    ----------
    planes : Planes
        What is segmented.
    output : OutputSpec
        Of the model's card.
    threshold : float, optional
        Probability from which a pixel belongs to its best class; None for 0.5, or, where the net
        weighs the classes against the background (softmax), for the most probable of all.
    keep_probabilities : bool
        Whether to keep them, if they fit into memory.
    previews : bool
        Whether to give previews although probabilities are not kept.
    """

    def __init__(
        self,
        planes: Planes,
        output: OutputSpec,
        threshold: float | None,
        keep_probabilities: bool,
        previews: bool = False,
    ) -> None:
        self._planes, self._output, self._threshold = planes, output, threshold
        dtype = np.dtype(np.uint8 if output.n_classes <= 255 else np.uint16)
        self.labels = _room_for(planes.shape, dtype)
        shape = (output.n_classes, *planes.shape)
        wanted = keep_probabilities and fits(4 * int(np.prod(shape)))
        self.probabilities = np.zeros(shape, np.float32) if wanted else None
        self.notice = (
            "The probabilities do not fit into memory and are not kept"
            if keep_probabilities and not wanted
            else ""
        )
        self._previews = previews
        self._finished: set[int] = set()
        small = int(np.prod(planes.plane_shape)) <= PREVIEW_PIXELS
        self._shown = (
            np.zeros((output.n_classes, *planes.plane_shape), np.float32)
            if small and (keep_probabilities or previews) and not wanted
            else None
        )

    def put(
        self,
        index: int,
        top: int,
        answer: NDArray[np.float32],
        finite: NDArray[np.bool_],
    ) -> None:
        """Take finished rows of a plane.

        Parameters
        ----------
        index, top : int
            The plane, and its first of these rows.
        answer : ndarray of float32, shape (K, n, W)
            Probabilities of each channel of the net, the background included if it has one.
        finite : ndarray of bool, shape (n, W)
            Where the image has a value; elsewhere is background.
        """
        rows = slice(top, top + answer.shape[1])
        softmax = self._output.activation == "softmax"
        classes = answer[1:] if softmax else answer
        classes = np.clip(classes, 0.0, 1.0) * finite
        if softmax and self._threshold is None:
            labels = np.where(finite, answer.argmax(axis=0), 0)
        else:
            cut = 0.5 if self._threshold is None else self._threshold
            labels = labels_from_probabilities(classes, cut)
        self._finished.add(index)
        at: tuple[Any, ...] = (index, rows) if self._planes.is_volume else (rows,)
        self.labels[at] = labels
        if self.probabilities is not None:
            self.probabilities[(slice(None), *at)] = classes
        if self._shown is not None:
            self._shown[:, rows] = classes

    def put_blank(self, index: int) -> None:
        """Take note that nothing is found on a plane."""
        self._finished.add(index)
        if self._shown is not None:
            self._shown[...] = 0.0

    def preview(self, index: int) -> PlanePreview | PlaneLabels | None:
        """Give the plane finished last, or None where previews are not wanted.

        Of a plane too large for its probabilities only the labels are given.
        """
        volume = self._planes.is_volume
        labels = self.labels[index] if volume else self.labels
        if self.probabilities is not None:
            plane = self.probabilities[:, index] if volume else self.probabilities
            return PlanePreview(index, plane, labels)
        if self._shown is not None:
            return PlanePreview(index, self._shown.copy(), labels)
        return PlaneLabels(index, labels) if self._previews else None

    def segmentation(
        self, class_names: tuple[str, ...], post: PostProcess, made: Provenance
    ) -> Segmentation:
        """Clean the labels up, put the axes back in the image's order, and give the result.

        Where only one plane was asked about, it is cleaned up as a plane: its holes are closed
        although nothing lies above and below.
        """
        labels = self.labels
        if self._planes.is_volume and len(self._finished) == 1:
            (index,) = self._finished
            labels[index] = postprocess(labels[index], post)
        else:
            labels = postprocess(labels, post)
        labels = self._planes.turned_back(labels)
        probabilities = self.probabilities
        if probabilities is not None:
            probabilities = self._planes.turned_back(probabilities, leading=1)
        return Segmentation(labels, probabilities, class_names, made)


def _room_for(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """Give an array of zeros: in memory, or if too large in a file that vanishes by itself."""
    if fits(int(np.prod(shape)) * dtype.itemsize):
        return np.zeros(shape, dtype)
    # The mapping keeps the file alive after its handle is closed.
    with tempfile.TemporaryFile(prefix="napari-medseg-") as file:
        return np.memmap(file, dtype, "w+", shape=shape)
