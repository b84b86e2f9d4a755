"""Adapt to my examples: fit on the support set what the in-context net cannot know.

The in-context net was trained for everything and fitted to nothing. Three small U-Nets, each fitted
without a third of the examples, see the image, what the in-context net says about it, and the
masks of the examples that look most alike. For every class leave-one-out then decides how much
each of the opinions weighs; where nothing is better, all stays as it was.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.adapt_fit import Member
from napari_medseg.engine.adapt_planes import Album, folds, resize_maps
from napari_medseg.engine.adaptation import Adaptation, Gain, Opinions, Shares, mean_gain
from napari_medseg.engine.choose import dice
from napari_medseg.engine.devices import has_fast_bfloat16
from napari_medseg.engine.leave_one_out import answer_without
from napari_medseg.engine.options import ByExampleOptions
from napari_medseg.engine.prepare import PreparedSupport, prepare
from napari_medseg.engine.results import Progress
from napari_medseg.engine.support import SupportSet

MEMBERS = 3
ROUNDS = 5
STEPS_PER_ROUND = 24
PATIENCE = 3
"""Rounds after which the fit ends if the nets got no better on the held-out examples."""

WORTH = 0.01
"""Gain of leave-one-out Dice from which a class is predicted in another way than before."""

FEW = 3
"""With fewer examples only the plainest mixtures are tried."""

ALONE = Shares(0.5, unaided=0.5)
"""For a single example, where nothing can be held out: half of each."""

PLAIN = (
    Shares(),
    Shares(0.5, fitted=0.5),
    Shares(0.5, unaided=0.5),
    Shares(0.0, fitted=1.0),
    Shares(0.0, unaided=1.0),
)
MIXTURES = (
    *PLAIN,
    Shares(0.25, fitted=0.75),
    Shares(0.0, fitted=0.5, unaided=0.5),
    Shares(0.5, alike=0.5),
    Shares(0.0, alike=1.0),
    Shares(0.0, fitted=0.5, alike=0.5),
    Shares(0.25, fitted=0.5, alike=0.25),
)


def adapt_job(
    support: SupportSet, options: ByExampleOptions | None = None, *, colours: bool | None = None
) -> Generator[Progress, None, Adaptation]:
    """Fit small nets on a support set and measure on held-out examples what they bring.

    About half a minute on two CPU cores, less where there is little to learn. The same examples,
    model and seed give the same nets on the same computer.

    Parameters
    ----------
    support : SupportSet
        At least one example; a `SupportSet.snapshot` where others may change it meanwhile.
    options : ByExampleOptions, optional
        As for the prediction; the same preparation is used.
    colours : bool, optional
        Whether the images to be segmented have colours; by default as the examples.

    Yields
    ------
    Progress
        At least once per pass of the in-context net and per step of a fit.

    Returns
    -------
    Adaptation
        Whose shares leave everything as it was where nothing was better.

    Raises
    ------
    SupportError
        If there is no example.
    """
    options = options or ByExampleOptions()
    n_examples = len(support)
    parts = folds(n_examples, MEMBERS)
    total = n_examples + ROUNDS * STEPS_PER_ROUND * len(parts)
    if colours is None:
        colours = True
    prepared = yield from prepare(support, options, colours, total)
    album = album_of(support, prepared)
    opinions = yield from _first_opinions(album, prepared, total)
    fit = _Fit(album, opinions, parts, prepared, options.seed)
    yield from fit.run(total)
    return fit.adaptation(support.examples_hash, prepared.card.sha256, options.seed)


def album_of(support: SupportSet, prepared: PreparedSupport) -> Album:
    """Give the examples as the fitted nets need them."""
    ordered = sorted(support, key=lambda example: example.content_hash)
    classes = tuple(item.index for item in prepared.gathered)
    return Album(tuple(ordered), classes, prepared.gathered[0].colours)


def _first_opinions(
    album: Album, prepared: PreparedSupport, total: int
) -> Generator[Progress, None, Opinions]:
    """Ask about every example what has not seen it; the nets have said nothing yet."""
    shape = (album.size, album.size)
    in_context = np.zeros((len(album), len(album.classes), *shape), np.float32)
    alike = np.zeros_like(in_context)
    for index, example in enumerate(album.examples):
        answers = answer_without(example, prepared)
        while True:
            try:
                next(answers)
            except StopIteration as stop:
                found = stop.value
                break
            yield Progress(index, total, f"Example {index + 1} of {len(album)} from the others")
        for at, value in enumerate(album.classes):
            if value in found:
                in_context[index, at] = resize_maps(found[value][None], shape)[0]
        if len(album) > 1:
            alike[index] = album.alike(album.plane(index), without=index)
    fitted, unaided = np.zeros_like(in_context), np.zeros_like(in_context)
    return Opinions(in_context, fitted, unaided, alike)


class _Fit:
    """The members on their way, all at the same step, and the best they reached so far."""

    def __init__(
        self,
        album: Album,
        opinions: Opinions,
        parts: list[NDArray[np.intp]],
        prepared: PreparedSupport,
        seed: int,
    ) -> None:
        import torch

        self.album, self.opinions = album, opinions
        device = prepared.predictor.device
        dtype = torch.bfloat16 if has_fast_bfloat16(device) else torch.float32
        inputs = torch.from_numpy(
            np.stack(
                [
                    album.inputs(album.plane(i), opinions.in_context[i], without=i)
                    for i in range(len(album))
                ]
            )
        ).to(device)
        masks = torch.from_numpy(album.masks).to(device)
        self.members = [
            Member(inputs, masks, part, album.colour_channels, seed * MEMBERS + number, dtype)
            for number, part in enumerate(parts)
        ]
        self.best = _choose(album, opinions, without_nets=True)
        self.states = [member.state() for member in self.members]
        self.steps = 0

    @property
    def is_measured(self) -> bool:
        """Whether anything was held out."""
        return len(self.album) > 1 and bool(self.album.known.any())

    def run(self, total: int) -> Generator[Progress, None, None]:
        """Fit round by round until the held-out examples no longer gain."""
        waited, reached = 0, 0.0
        for number in range(ROUNDS):
            yield from self._round(number, total)
            if not self.is_measured:
                continue
            found = _choose(self.album, self.opinions)
            if found.after > self.best.after:
                self.best = found
                self._keep(number)
            waited = 0 if found.by_nets > reached else waited + 1
            reached = max(reached, found.by_nets)
            if waited >= PATIENCE:
                return
        if not self.is_measured:
            self._keep(ROUNDS - 1)

    def _round(self, number: int, total: int) -> Generator[Progress, None, None]:
        all_steps = ROUNDS * STEPS_PER_ROUND
        words = f"Fitting, round {number + 1} of {ROUNDS}"
        if number and self.is_measured:
            words += f": Dice {self.best.before:.2f} → {self.best.after:.2f}"
        for step in range(number * STEPS_PER_ROUND, (number + 1) * STEPS_PER_ROUND):
            for at, member in enumerate(self.members):
                member.step(step / all_steps, step)
                done = len(self.album) + step * len(self.members) + at + 1
                yield Progress(min(done, total), total, words)
        for member in self.members:
            for index, aided, unaided in member.answers():
                self.opinions.fitted[index], self.opinions.unaided[index] = aided, unaided
                yield Progress(min(done, total), total, words)

    def _keep(self, number: int) -> None:
        self.states = [member.state() for member in self.members]
        self.steps = (number + 1) * STEPS_PER_ROUND

    def adaptation(self, support_sha256: str, model_sha256: str, seed: int) -> Adaptation:
        """Give what was best."""
        uses_nets = any(share.needs_nets for share in self.best.shares)
        return Adaptation(
            support_sha256,
            model_sha256,
            self.album.classes,
            self.album.colours,
            tuple(self.states) if uses_nets else (),
            self.best.shares,
            self.best.gain if self.is_measured else None,
            self.steps if uses_nets else 0,
            seed,
        )


@dataclass(frozen=True)
class _Choice:
    shares: tuple[Shares, ...]
    gain: Gain
    by_nets: float
    """Sum over classes of the Dice that the nets reach alone, to see whether they still learn."""

    @property
    def before(self) -> float:
        return self.gain.before

    @property
    def after(self) -> float:
        return self.gain.after


def _choose(album: Album, opinions: Opinions, without_nets: bool = False) -> _Choice:
    """Choose for every class the mixture with the highest Dice on examples left out."""
    tried = list(MIXTURES if len(album) >= FEW else PLAIN)
    if without_nets:
        tried = [share for share in tried if not share.needs_nets]
    shares, before, after, by_nets = [], [], [], [0.0]
    for at, value in enumerate(album.classes):
        shown = [i for i, example in enumerate(album.examples) if value in example.classes]
        if not album.known[at]:
            shares.append(ALONE if len(album) == 1 else Shares())
            continue
        scores = np.array(
            [
                [_reached(album, opinions, share, example, at) for example in shown]
                for share in tried
            ]
        )
        means = scores.mean(1)
        alone = [mean for mean, share in zip(means, tried, strict=True) if share.is_nets_alone]
        by_nets.append(float(max(alone, default=0.0)))
        best = int(means.argmax())
        if means[best] - means[0] <= WORTH:
            best = 0
        shares.append(tried[best])
        before += scores[0].tolist()
        after += scores[best].tolist()
    gain = mean_gain(before, after) if before else Gain(0.0, 0.0, float("nan"), 0)
    return _Choice(tuple(shares), gain, sum(by_nets))


def _reached(album: Album, opinions: Opinions, share: Shares, example: int, at: int) -> float:
    found = share.mix(opinions.at(example, at))
    return dice(found >= 0.5, album.masks[example, at] > 0)
