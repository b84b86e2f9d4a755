"""Adapt to my examples: fit on the support set what the in-context net cannot know.

The in-context net was trained for everything and fitted to nothing. First it is tuned itself, three
times, each without a third of the examples. Then three small U-Nets, fitted in the same way, see
the image, what the in-context net says about it, and the masks of the examples that look most
alike. For every class leave-one-out decides whether the tuned net is better and how much each of
the opinions weighs; where nothing is better, all stays as it was.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.adapt.adaptation import Adaptation, Opinions
from napari_medseg.engine.adapt.album import Album, folds, resize_maps
from napari_medseg.engine.adapt.choice import better_classes, choose_shares
from napari_medseg.engine.adapt.fit import Member
from napari_medseg.engine.adapt.tune import STEPS, Tuner, averaged, can_be_tuned, with_net
from napari_medseg.engine.by_example.leave_one_out import answer_without
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.prepare import PreparedSupport, prepare
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.devices import choose_precision
from napari_medseg.engine.results import Progress, told

if TYPE_CHECKING:
    from torch import Tensor

MEMBERS = 3
ROUNDS = 5
STEPS_PER_ROUND = 64
PATIENCE = 3
"""Of `ROUNDS`, after which the fit ends if the nets got no better on the held-out examples."""


def adapt_job(
    support: SupportSet, options: ByExampleOptions | None = None, *, colours: bool | None = None
) -> Generator[Progress, None, Adaptation]:
    """Fit small nets on a support set and measure on held-out examples what they bring.

    Half a minute to a minute on two CPU cores, less where there is little to learn; the fit of the
    small nets, half of it, takes as many times as long as ``options.adapt_effort`` says. The same
    examples, options and seed give the same nets on the same computer.

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
    parts = folds(len(support), MEMBERS)
    asked = 2 * len(support)  # before tuning and after it
    total = asked + (STEPS + options.adapt_effort * ROUNDS * STEPS_PER_ROUND) * len(parts)
    if colours is None:
        colours = True
    prepared = yield from prepare(support, options, colours, total)
    album = album_of(support, prepared)
    before = yield from _asked(album, prepared, range(len(album)), 0, total)
    ground = _Ground(album, prepared, parts, before, options.seed)
    tuning = yield from _tune(ground, total)
    fit = _Fit(ground, tuning, options.adapt_effort)
    yield from fit.run(asked + STEPS * len(parts), total)
    return fit.adaptation(support.examples_hash, prepared.card.sha256)


def album_of(support: SupportSet, prepared: PreparedSupport) -> Album:
    """Give the examples as the fitted nets need them."""
    ordered = sorted(support, key=lambda example: example.content_hash)
    classes = tuple(item.index for item in prepared.gathered)
    return Album(tuple(ordered), classes, prepared.gathered[0].colours)


def _asked(
    album: Album, prepared: PreparedSupport, wanted: Iterable[int], done: int, total: int
) -> Generator[Progress, None, NDArray[np.float32]]:
    """Ask the in-context net about examples after all others; (S, C, n, n), 0 where unasked."""
    shape = (album.size, album.size)
    answers = np.zeros((len(album), len(album.classes), *shape), np.float32)
    for number, index in enumerate(wanted):
        words = f"Example {index + 1} of {len(album)} from the others"
        passes = answer_without(album.examples[index], prepared)
        found = yield from told(passes, Progress(done + number, total, words))
        for at, value in enumerate(album.classes):
            if value in found:
                answers[index, at] = resize_maps(found[value][None], shape)[0]
    return answers


@dataclass(frozen=True)
class _Ground:
    """What every net is fitted on and measured by.

    Parameters
    ----------
    album, prepared : Album, PreparedSupport
        The examples, as the fitted nets and as the in-context net see them.
    parts : sequence of ndarray of int
        Examples held out together; the first net never sees the first part, and so on.
    before : ndarray of float32, shape (S, C, n, n)
        What the in-context net says of every example after all others.
    seed : int
        Decides everything random.
    """

    album: Album
    prepared: PreparedSupport
    parts: Sequence[NDArray[np.intp]]
    before: NDArray[np.float32]
    seed: int


@dataclass(frozen=True)
class _Tuning:
    """What tuning the in-context net brought.

    Parameters
    ----------
    answers : ndarray of float32, shape (S, C, n, n)
        About examples not seen: of the tuned nets for the classes where they are better.
    classes : tuple of int
        These classes.
    weights : mapping of str to Tensor
        Of the net to ask about them; none if there are no such classes.
    """

    answers: NDArray[np.float32]
    classes: tuple[int, ...] = ()
    weights: Mapping[str, Tensor] = field(default_factory=dict)


def _tune(ground: _Ground, total: int) -> Generator[Progress, None, _Tuning]:
    """Tune one net per part that it does not see, and keep them where they are better."""
    album, prepared, before = ground.album, ground.prepared, ground.before
    if not album.known.any() or not can_be_tuned(prepared.predictor.net):
        return _Tuning(before)
    done = len(album)
    after, states = np.zeros_like(before), []
    for number, part in enumerate(ground.parts):
        tuner = Tuner(prepared, [album.examples[i] for i in part], ground.seed * MEMBERS + number)
        if not tuner.can_learn:
            return _Tuning(before)
        for step in range(STEPS):
            tuner.step(step)
            words = f"Tuning the network, part {number + 1} of {len(ground.parts)}"
            yield Progress(done + step, total, words)
        done += STEPS
        after += yield from _asked(album, with_net(prepared, tuner.net), part, done, total)
        done += len(part)
        states.append(tuner.state())
    classes = better_classes(album, before, after)
    if not classes:
        return _Tuning(before)
    tuned = np.isin(album.classes, classes)
    return _Tuning(np.where(tuned[None, :, None, None], after, before), classes, averaged(states))


class _Fit:
    """The members on their way, all at the same step, and the best they reached so far."""

    def __init__(self, ground: _Ground, tuning: _Tuning, effort: int) -> None:
        self.album, self.before, self.seed = ground.album, ground.before, ground.seed
        self.tuning, self.effort = tuning, effort
        self.rounds = effort * ROUNDS
        self.opinions = _opinions(ground.album, tuning.answers)
        self.members = _members(ground, tuning.answers)
        self.best = choose_shares(self.album, self.opinions, self.before, without_nets=True)
        self.states = [member.state() for member in self.members]
        self.steps = 0

    @property
    def is_measured(self) -> bool:
        """Whether anything was held out."""
        return len(self.album) > 1 and bool(self.album.known.any())

    def run(self, done: int, total: int) -> Generator[Progress, None, None]:
        """Fit round by round until the held-out examples no longer gain; `done` is before it."""
        with _side_by_side(self.members) as pool:
            yield from self._rounds(pool, done, total)

    def _rounds(
        self, pool: ThreadPoolExecutor, done: int, total: int
    ) -> Generator[Progress, None, None]:
        waited, reached = 0, 0.0
        for number in range(self.rounds):
            yield from self._round(pool, number, done, total)
            if not self.is_measured:
                continue
            found = choose_shares(self.album, self.opinions, self.before)
            if found.after > self.best.after:
                self.best = found
                self._keep(number)
            waited = 0 if found.by_nets > reached else waited + 1
            reached = max(reached, found.by_nets)
            if waited >= self.effort * PATIENCE:
                return
        if not self.is_measured:
            self._keep(self.rounds - 1)

    def _round(
        self, pool: ThreadPoolExecutor, number: int, before: int, total: int
    ) -> Generator[Progress, None, None]:
        all_steps = self.rounds * STEPS_PER_ROUND
        words = f"Fitting, round {number + 1} of {self.rounds}"
        if number and self.is_measured:
            words += f": Dice {self.best.before:.2f} → {self.best.after:.2f}"
        for step in range(number * STEPS_PER_ROUND, (number + 1) * STEPS_PER_ROUND):
            one_step = partial(Member.step, part=step / all_steps, number=step)
            for at, _ in enumerate(pool.map(one_step, self.members)):
                done = before + step * len(self.members) + at + 1
                yield Progress(min(done, total), total, words)
        for member in self.members:
            for index, aided, unaided in member.answers():
                self.opinions.fitted[:, index] = aided
                self.opinions.unaided[:, index] = unaided
                yield Progress(min(done, total), total, words)

    def _keep(self, number: int) -> None:
        self.states = [member.state() for member in self.members]
        self.steps = (number + 1) * STEPS_PER_ROUND

    def adaptation(self, support_sha256: str, model_sha256: str) -> Adaptation:
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
            self.seed,
            self.tuning.classes,
            self.tuning.weights,
            self.effort,
        )


@contextmanager
def _side_by_side(members: Sequence[Member]) -> Iterator[ThreadPoolExecutor]:
    """Give threads that fit small nets at once, each on one core of a processor.

    Several cores within one net that small wait for each other longer than they work.
    """
    import torch

    cores = torch.get_num_threads()
    on_cpu = members[0].inputs.device.type == "cpu"
    threads, cores_each = (len(members), 1) if on_cpu else (1, cores)
    try:
        with ThreadPoolExecutor(
            threads, initializer=torch.set_num_threads, initargs=(cores_each,)
        ) as pool:
            yield pool
    finally:
        torch.set_num_threads(cores)


def _opinions(album: Album, in_context: NDArray[np.float32]) -> Opinions:
    """Give what is said of every example by those who have not seen it; the nets say nothing."""
    alike = np.zeros_like(in_context)
    if len(album) > 1:
        for index in range(len(album)):
            alike[index] = album.alike(album.plane(index), without=index)
    silent = np.zeros((album.looks, *in_context.shape), np.float32)
    return Opinions(in_context, silent, silent.copy(), alike)


def _members(ground: _Ground, in_context: NDArray[np.float32]) -> list[Member]:
    """Give a fresh net for every part that it does not see."""
    import torch

    album, device = ground.album, ground.prepared.predictor.device
    dtype = choose_precision("auto", device)
    planes = [album.inputs(album.plane(i), in_context[i], without=i) for i in range(len(album))]
    inputs = torch.from_numpy(np.stack(planes)).to(device)
    masks = torch.from_numpy(album.masks).to(device)
    return [
        Member(inputs, masks, part, album.colour_channels, ground.seed * MEMBERS + number, dtype)
        for number, part in enumerate(ground.parts)
    ]
