"""Adapt to my examples: fit on the support set what the in-context net cannot know.

The in-context net was trained for everything and fitted to nothing. Three small U-Nets, each fitted
without a third of the examples, see the image, what the in-context net says about it, and the masks
of the examples that look most alike. For every class leave-one-out decides how much each of the
opinions weighs; where nothing is better, all stays as it was.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.adapt.adaptation import Adaptation, Opinions
from napari_medseg.engine.by_example.adapt.album import Album, folds, resize_maps
from napari_medseg.engine.by_example.adapt.fit import Member
from napari_medseg.engine.by_example.adapt.shares import choose_shares
from napari_medseg.engine.by_example.leave_one_out import answer_without
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.prepare import PreparedSupport, prepare
from napari_medseg.engine.by_example.support import SupportSet
from napari_medseg.engine.devices import choose_precision
from napari_medseg.engine.results import Progress, told

MEMBERS = 3
ROUNDS = 5
STEPS_PER_ROUND = 64
PATIENCE = 3
"""Of `ROUNDS`, after which the fit ends if the nets got no better on the held-out examples."""


def adapt_job(
    support: SupportSet, options: ByExampleOptions | None = None, *, colours: bool = True
) -> Generator[Progress, None, Adaptation]:
    """Fit small nets on a support set and measure on held-out examples what they bring.

    About half a minute on two CPU cores, less where there is little to learn; the fit itself, most
    of it, takes as many times as long as ``options.adapt_effort`` says. The same examples, options
    and seed give the same nets on the same computer.

    Parameters
    ----------
    support : SupportSet
        At least one example; a `SupportSet.snapshot` where others may change it meanwhile.
    options : ByExampleOptions, optional
        As for the prediction; the same preparation is used.
    colours : bool
        Whether the images to be segmented have colours, where the examples have them.

    Yields
    ------
    Progress
        At least once per pass of the in-context net and per step of a fit.

    Returns
    -------
    Adaptation
        Whose shares leave everything as it was where nothing was better, or where no two examples
        show the same class, so that nothing could be measured: then nothing is fitted.

    Raises
    ------
    SupportError
        If there is no example.
    """
    options = options or ByExampleOptions()
    parts = folds(len(support), MEMBERS)
    total = len(support) + options.adapt_effort * ROUNDS * STEPS_PER_ROUND * len(parts)
    prepared = yield from prepare(support, options, colours, total)
    album = album_of(support, prepared)
    in_context = yield from _asked(album, prepared, total)
    members = _members(album, prepared, in_context, parts, options.seed)
    fit = _Fit(album, in_context, members, options.adapt_effort)
    if fit.is_measured or len(album) == 1:  # else nobody could say what the nets are worth
        yield from fit.run(len(support), total)
    return fit.adaptation(support.examples_hash, prepared.card.sha256, options.seed)


def album_of(support: SupportSet, prepared: PreparedSupport) -> Album:
    """Give the examples as the fitted nets need them."""
    ordered = sorted(support, key=lambda example: example.content_hash)
    classes = tuple(item.index for item in prepared.gathered)
    return Album(tuple(ordered), classes, prepared.gathered[0].colours)


def _asked(
    album: Album, prepared: PreparedSupport, total: int
) -> Generator[Progress, None, NDArray[np.float32]]:
    """Ask the in-context net about every example after all others; shape (S, C, n, n)."""
    shape = (album.size, album.size)
    answers = np.zeros((len(album), len(album.classes), *shape), np.float32)
    for index, example in enumerate(album.examples):
        words = f"Example {index + 1} of {len(album)} from the others"
        passes = answer_without(example, prepared)
        found = yield from told(passes, Progress(index, total, words))
        for at, value in enumerate(album.classes):
            if value in found:
                answers[index, at] = resize_maps(found[value][None], shape)[0]
    return answers


class _Fit:
    """The members on their way, all at the same step, and the best they reached so far."""

    def __init__(
        self, album: Album, in_context: NDArray[np.float32], members: Sequence[Member], effort: int
    ) -> None:
        self.album, self.members, self.effort = album, members, effort
        self.rounds = effort * ROUNDS
        self.opinions = _opinions(album, in_context)
        self.best = choose_shares(album, self.opinions, without_nets=True)
        self.states = [member.state() for member in self.members]
        self.steps = 0

    @property
    def is_measured(self) -> bool:
        """Whether anything was held out."""
        return bool(self.album.known.any())

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
            found = choose_shares(self.album, self.opinions)
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


def _members(
    album: Album,
    prepared: PreparedSupport,
    in_context: NDArray[np.float32],
    parts: Sequence[NDArray[np.intp]],
    seed: int,
) -> list[Member]:
    """Give a fresh net for every part of the examples, which it will not see."""
    import torch

    device = prepared.predictor.device
    dtype = choose_precision("auto", device)
    planes = [album.inputs(album.plane(i), in_context[i], without=i) for i in range(len(album))]
    inputs = torch.from_numpy(np.stack(planes)).to(device)
    masks = torch.from_numpy(album.masks).to(device)
    return [
        Member(inputs, masks, part, album.colour_channels, seed * MEMBERS + number, dtype)
        for number, part in enumerate(parts)
    ]
