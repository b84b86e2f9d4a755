"""What came out of adapting to examples: fitted nets, how far each class trusts them, the gain."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Shares:
    """How much each opinion weighs in the probability of a class; they add up to 1.

    Parameters
    ----------
    in_context : float
        Of the in-context net.
    fitted : float
        Of the nets fitted on the examples, with the in-context answer and the look-alikes as hints.
    unaided : float
        Of the same nets without the hints, which mislead where they are poor.
    alike : float
        Of the masks of the examples that look most alike.
    close : float
        How much of what the nets say comes from their closer look, where they have two; the rest
        comes from the look at the whole plane.
    """

    in_context: float = 1.0
    fitted: float = 0.0
    unaided: float = 0.0
    alike: float = 0.0
    close: float = 0.5

    @property
    def needs_nets(self) -> bool:
        """Whether the fitted nets have a say."""
        return self.fitted + self.unaided > 0

    @property
    def is_nets_alone(self) -> bool:
        """Whether nobody else has a say."""
        return self.needs_nets and self.in_context + self.alike == 0

    def mix(self, opinions: Opinions) -> NDArray[np.float32]:
        """Give the weighted mean of the opinions."""
        mean: NDArray[np.float32] = (
            np.float32(self.in_context) * opinions.in_context
            + np.float32(self.fitted) * self._of_looks(opinions.fitted)
            + np.float32(self.unaided) * self._of_looks(opinions.unaided)
            + np.float32(self.alike) * opinions.alike
        )
        return mean

    def _of_looks(self, answers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Join what the nets say after each of their looks, (L, ...)."""
        if len(answers) == 1:
            return answers[0]
        weights = np.asarray([1 - self.close, self.close], np.float32)
        joined: NDArray[np.float32] = np.tensordot(weights, answers, axes=1)
        return joined


@dataclass(frozen=True)
class Opinions:
    """Probabilities of a class, or of several, by each of the opinions; all of one shape.

    Those of the fitted nets have one axis more, the first: the looks at the whole plane and, where
    there is one, at its pixels.
    """

    in_context: NDArray[np.float32]
    fitted: NDArray[np.float32]
    unaided: NDArray[np.float32]
    alike: NDArray[np.float32]

    def at(self, *index: int | slice) -> Opinions:
        """Give a part of each."""
        by_nets = (slice(None), *index)
        return Opinions(
            self.in_context[index], self.fitted[by_nets], self.unaided[by_nets], self.alike[index]
        )


@dataclass(frozen=True)
class Gain:
    """Mean leave-one-out Dice of the examples, before and after adapting.

    Every example was predicted without having been seen. The shares were chosen on the same
    predictions, which flatters `after` a little.

    Parameters
    ----------
    before, after : float
        Means over the examples and their classes.
    error : float
        Standard error of the gain over the examples; NaN for fewer than three.
    examples : int
        How many predictions were compared.
    """

    before: float
    after: float
    error: float
    examples: int


@dataclass(frozen=True)
class Adaptation:
    """Nets fitted on a support set, for use beside the in-context net.

    Parameters
    ----------
    support_sha256, model_sha256 : str
        The examples and the in-context model that it belongs to; it is used with no others.
    classes : tuple of int
        Classes that it knows.
    colours : bool
        Whether its nets see colours.
    members : tuple of mapping
        Weights of the fitted nets, whose answers are averaged; none where nothing was better.
    shares : tuple of Shares
        For every class.
    gain : Gain or None
        None where it could not be measured, as with a single example or none that share a class.
    steps, seed : int
        How it was fitted.
    effort : int
        How many times as long as usual the nets could be fitted.
    """

    support_sha256: str
    model_sha256: str
    classes: tuple[int, ...]
    colours: bool
    members: tuple[Mapping[str, Tensor], ...]
    shares: tuple[Shares, ...]
    gain: Gain | None
    steps: int
    seed: int
    effort: int = 1

    @property
    def is_worth_it(self) -> bool:
        """Whether predictions are changed by it at all."""
        return any(share.in_context < 1 for share in self.shares)

    def belongs_to(self, support_sha256: str, model_sha256: str) -> bool:
        """Tell whether it was made from these examples for this model."""
        return (self.support_sha256, self.model_sha256) == (support_sha256, model_sha256)

    @cached_property
    def sha256(self) -> str:
        """Hash of its weights and shares."""
        chosen = (self.classes, self.shares, self.colours)
        digest = hashlib.sha256(repr(chosen).encode())
        for member in self.members:
            for key in sorted(member):
                digest.update(key.encode())
                digest.update(member[key].contiguous().numpy().tobytes())
        return digest.hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Give all but the weights as values JSON can hold."""
        return {
            "support_sha256": self.support_sha256,
            "model_sha256": self.model_sha256,
            "classes": list(self.classes),
            "colours": self.colours,
            "members": len(self.members),
            "shares": [asdict(share) for share in self.shares],
            "gain": None if self.gain is None else asdict(self.gain),
            "steps": self.steps,
            "effort": self.effort,
            "seed": self.seed,
            "sha256": self.sha256,
        }


def in_words(adaptation: Adaptation) -> str:
    """Say in a sentence what adapting brought."""
    gain = adaptation.gain
    if gain is None and not adaptation.is_worth_it:
        return (
            "Not adapted: no two examples show the same class, so that nothing can be measured. "
            "Paint a class on two examples or more."
        )
    if gain is None:
        return (
            "Adapted. With a single example the gain cannot be measured, and it may harm: "
            "keep it, predict a plane, and discard it if that is worse."
        )
    if not adaptation.is_worth_it:
        return (
            f"Adapting brought nothing: the examples predict each other with a Dice of "
            f"{gain.before:.2f} as it is."
        )
    before, after = round(gain.before, 2), round(gain.after, 2)
    return (
        f"Dice {before:.2f} → {after:.2f} on examples left out "
        f"({after - before:+.2f}, {gain.examples} predictions)."
    )


def mean_gain(before: Sequence[float], after: Sequence[float]) -> Gain:
    """Compare what was reached on the same predictions before and after."""
    gains = np.asarray(after) - np.asarray(before)
    error = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 2 else float("nan")
    return Gain(float(np.mean(before)), float(np.mean(after)), error, len(gains))
