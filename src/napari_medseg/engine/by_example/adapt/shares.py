"""Choose by leave-one-out what each class is predicted by, among all that has an opinion."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_medseg.engine.by_example.adapt.adaptation import Gain, Opinions, Shares, mean_gain
from napari_medseg.engine.by_example.adapt.album import Album
from napari_medseg.engine.by_example.held_out import dice

WORTH = 0.02
"""Part of what a leave-one-out Dice lacks to 1 that must be gained for a class to be predicted in
another way than before."""

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
    Shares(0.34, fitted=0.33, unaided=0.33),
    Shares(0.0, fitted=0.5, unaided=0.5),
    Shares(0.5, alike=0.5),
    Shares(0.0, alike=1.0),
    Shares(0.0, fitted=0.5, alike=0.5),
    Shares(0.25, fitted=0.5, alike=0.25),
)


LOOKS = (0.5, 0.0, 1.0)
"""How much the nets' closer look may weigh; the first, unless another gains `CLEARLY`."""

CLEARLY = 0.02
"""Leave-one-out Dice by which one look alone must be better than the mean of both."""


@dataclass(frozen=True)
class Choice:
    """The shares of every class, and what they bring.

    Parameters
    ----------
    shares : tuple of Shares
        For every class of the album.
    gain : Gain
        On the examples left out.
    by_nets : float
        Sum over classes of the Dice that the fitted nets reach alone, to see whether they still
        learn.
    """

    shares: tuple[Shares, ...]
    gain: Gain
    by_nets: float

    @property
    def before(self) -> float:
        """Dice of the in-context net alone."""
        return self.gain.before

    @property
    def after(self) -> float:
        """Dice of the mixture."""
        return self.gain.after


def choose_shares(album: Album, opinions: Opinions, without_nets: bool = False) -> Choice:
    """Choose for every class the mixture with the highest Dice on examples left out.

    Parameters
    ----------
    album : Album
        The examples.
    opinions : Opinions
        About every example, of what has not seen it; arrays (S, C, n, n).
    without_nets : bool
        Whether the fitted nets have no say yet.
    """
    tried = list(MIXTURES if len(album) >= FEW else PLAIN)
    if without_nets:
        tried = [share for share in tried if not share.needs_nets]
    shares, first, last, by_nets = [], [], [], [0.0]
    for at in range(len(album.classes)):
        if not album.known[at]:
            shares.append(ALONE if len(album) == 1 else Shares())
            continue
        said = opinions.at(slice(None), at)
        two_looks = len(said.fitted) > 1 and not without_nets
        close = _best_look(album, said, at) if two_looks else LOOKS[0]
        mixtures = [replace(share, close=close) for share in tried]
        scores = np.array([_left_out_dice(album, share.mix(said), at) for share in mixtures])
        means = scores.mean(1)
        alone = [mean for mean, share in zip(means, tried, strict=True) if share.is_nets_alone]
        by_nets.append(float(max(alone, default=0.0)))
        best = int(means.argmax())
        if not is_worth(scores[0], scores[best]):
            best = 0
        shares.append(mixtures[best])
        first += scores[0].tolist()
        last += scores[best].tolist()
    gain = mean_gain(first, last) if first else Gain(0.0, 0.0, float("nan"), 0)
    return Choice(tuple(shares), gain, sum(by_nets))


def _best_look(album: Album, said: Opinions, at: int) -> float:
    """Give how much the closer look shall weigh in what the nets alone say, arrays (S, n, n)."""
    nets = [share for share in PLAIN if share.is_nets_alone]

    def reached(close: float) -> float:
        mixed = [replace(share, close=close).mix(said) for share in nets]
        best = max(float(np.mean(_left_out_dice(album, answers, at))) for answers in mixed)
        return best + CLEARLY * (close == LOOKS[0])

    return max(LOOKS, key=reached)


def is_worth(before: ArrayLike, after: ArrayLike) -> bool:
    """Tell whether the Dice of the same examples rose by more than `WORTH`, and not by chance.

    A few examples can gain by luck: the mean gain must also exceed half its standard error.
    """
    gains = np.subtract(after, before)
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else 0.0
    lacking = 1 - float(np.asarray(before).mean())
    return float(gains.mean()) > max(WORTH * lacking, 0.5 * error)


def _left_out_dice(album: Album, answers: NDArray[np.float32], at: int) -> list[float]:
    """Give the Dice of answers (S, n, n) on every example that shows the class at a position."""
    value = album.classes[at]
    return [
        dice(answers[index] >= 0.5, album.masks[index, at] > 0)
        for index, example in enumerate(album.examples)
        if value in example.classes
    ]
