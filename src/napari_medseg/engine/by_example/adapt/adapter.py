"""Use what was fitted on the examples: mix it with the in-context net's answer, plane by plane."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.adapt.adaptation import Adaptation, Opinions
from napari_medseg.engine.by_example.adapt.album import Album, resize_maps
from napari_medseg.engine.by_example.adapt.fit import new_net, probabilities
from napari_medseg.engine.by_example.adapt.job import adapt_job, album_of
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.passes import Plane
from napari_medseg.engine.by_example.prepare import PreparedSupport, keep
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.devices import choose_precision
from napari_medseg.engine.results import Progress, retold


class Adapter:
    """Nets of an adaptation on a device, and the examples that they were fitted on.

    Parameters
    ----------
    adaptation : Adaptation
        What was fitted.
    album : Album
        The same examples.
    prepared : PreparedSupport
        Made from them, with the device where the nets run.
    """

    def __init__(self, adaptation: Adaptation, album: Album, prepared: PreparedSupport) -> None:
        self.adaptation, self.album = adaptation, album
        self.device = prepared.predictor.device
        self.dtype = choose_precision("auto", self.device)
        self.nets = []
        for member in adaptation.members:
            net = new_net(album.channels, len(album.classes))
            net.load_state_dict(dict(member), strict=True)
            net.eval().requires_grad_(False)
            self.nets.append(net.to(self.device))

    def __call__(self, plane: Plane, found: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the probabilities of a plane as they are after adapting.

        Parameters
        ----------
        plane : ndarray of float32, shape (H, W) or (H, W, 3)
            Scaled to [0, 1].
        found : ndarray of float32, shape (C, H, W)
            Answers of the in-context net for every class but the background.

        Returns
        -------
        ndarray of float32, shape (C, H, W)
        """
        import torch

        if not self.adaptation.is_worth_it:
            return found
        rows = [value - 1 for value in self.album.classes]
        shape = found.shape[1:]
        aided = unaided = np.zeros((1, len(rows), *shape), np.float32)
        if self.nets:
            inputs = torch.from_numpy(self.album.inputs(plane, found[rows])).to(self.device)
            answers = probabilities(self.nets, inputs, self.album.colour_channels, self.dtype)
            aided, unaided = (
                np.stack([resize_maps(look, shape) for look in answer]) for answer in answers
            )
        alike = resize_maps(self.album.alike(plane), shape)
        opinions = Opinions(found[rows], aided, unaided, alike)
        mixed = found.copy()
        for at, (row, share) in enumerate(zip(rows, self.adaptation.shares, strict=True)):
            mixed[row] = share.mix(opinions.at(at))
        return mixed


def adapter_for(
    support: SupportSet, options: ByExampleOptions, prepared: PreparedSupport, total: int
) -> Generator[Progress, None, Adapter | None]:
    """Give what predictions are mixed with; None where there is nothing or it is not wanted.

    An adaptation that the support set carries is used if it belongs to these very examples and
    this model; with ``options.adapt is True`` one is made where there is none, and kept for the
    next call. From a single example none is made, as nobody could say whether it helps: only a
    person who has looked at it can keep one.

    Parameters
    ----------
    support, options
        As for `by_example_job`.
    prepared : PreparedSupport
        Made from them.
    total : int
        Steps of the job that this is a part of, for `Progress`.
    """
    if options.adapt is False:
        return None
    adaptation = support.adaptation
    if adaptation is None or not belongs_to(adaptation, support, prepared):
        if options.adapt == "kept" or len(support) == 1:
            return None
        adaptation = yield from _made_now(support, options, prepared, total)
    if not adaptation.is_worth_it:
        return None
    made_from = (support.examples_hash, prepared.card.sha256, *options.of_preparation())
    key = ("adapter", adaptation.sha256, made_from, str(prepared.predictor.device))
    adapter: Adapter | None = support.memo.get(key)
    if adapter is None:
        adapter = Adapter(adaptation, album_of(support, prepared), prepared)
        keep(support.memo, key, adapter)
    return adapter


def belongs_to(adaptation: Adaptation, support: SupportSet, prepared: PreparedSupport) -> bool:
    """Tell whether an adaptation was made from these examples, for this model and its colours."""
    right_colours = adaptation.colours == prepared.gathered[0].colours
    sha256 = prepared.card.sha256
    return right_colours and adaptation.belongs_to(support.examples_hash, sha256)


def _made_now(
    support: SupportSet, options: ByExampleOptions, prepared: PreparedSupport, total: int
) -> Generator[Progress, None, Adaptation]:
    """Adapt, or give what was made for the call before."""
    colours = prepared.gathered[0].colours
    sha256 = prepared.card.sha256
    how = (*options.of_preparation(), options.adapt_effort)
    key = ("adaptation", support.examples_hash, sha256, colours, how)
    adaptation: Adaptation | None = support.memo.get(key)
    if adaptation is not None:
        return adaptation
    job = adapt_job(support, options, colours=colours)
    made = yield from retold(job, lambda step: replace(step, done=0, total=total))
    keep(support.memo, key, made)
    return made
