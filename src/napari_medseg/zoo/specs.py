"""What a pretrained model's card says about its input and its output, read and checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from napari_medseg.zoo.cards import CardError, ModelCard

Fit = Literal["resize", "tile"]
ScalingKind = Literal["percentile", "window", "divide"]


@dataclass(frozen=True)
class Scaling:
    """How raw values become 0 to 1; all kinds are linear, and values outside are clipped.

    Parameters
    ----------
    kind : {"percentile", "window", "divide"}
        ``"percentile"``: from the `low`-th to the `high`-th percentile of the image.
        ``"window"``: from the raw value `low` to `high`, as for CT in Hounsfield units.
        ``"divide"``: from 0 to `high`; made for 8-bit images, and what else holds whole numbers of
        their range. Floats with fractions are told by their robust highest value, which a few hot
        pixels do not move: above a tenth of `high` they go from 0 to `high`, too; below it from 0
        to 1, or to that value where it is higher. Images with negative values or values above
        `high` are brought to that range by their robust range.
    low, high : float
        See `kind`.
    """

    kind: ScalingKind = "percentile"
    low: float = 0.5
    high: float = 99.5


@dataclass(frozen=True)
class InputSpec:
    """What a pretrained net takes.

    On a card it is the mapping ``input``: ``size`` [H, W], ``fit``, ``multiple``, ``overlap``,
    ``channels``, ``order``, ``scaling`` ({"kind": "percentile" or "window", "low", "high"} or
    {"kind": "divide", "by"}), ``mean``, ``std``. Only ``size`` must be there.

    Parameters
    ----------
    size : tuple of int
        Height and width of what the net sees at once.
    fit : {"resize", "tile"}
        Whether a plane is resized to `size` as a whole, or cut into tiles of that size at its own
        resolution.
    multiple : int
        Tiles of other sizes are possible in multiples of it; 0 where the net takes `size` alone.
    overlap : float
        Part of a tile's side that it shares with its neighbour, in [0, 1).
    channels : {1, 3}
        1: brightness. 3: colours; grey images are repeated.
    order : {"rgb", "bgr"}
        Order of three channels.
    scaling : Scaling
        How raw values become 0 to 1.
    mean, std : tuple of float
        Per channel, in the net's order: ``(value - mean) / std`` after the scaling; empty for none.
    """

    size: tuple[int, int]
    fit: Fit = "resize"
    multiple: int = 0
    overlap: float = 0.25
    channels: int = 1
    order: Literal["rgb", "bgr"] = "rgb"
    scaling: Scaling = Scaling()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @classmethod
    def of(cls, card: ModelCard) -> InputSpec:
        """Read the input of a pretrained model's card.

        Raises
        ------
        CardError
            If the card does not say enough, or what cannot be.
        """
        try:
            spec = cls._read(card.input)
        except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise CardError(
                f"The card of model {card.name!r} does not say what input it takes: "
                f"{error!r} in its entry 'input'."
            ) from error
        problem = spec._problem()
        if problem:
            raise CardError(f"The card of model {card.name!r} cannot be used: {problem}.")
        return spec

    @classmethod
    def _read(cls, stated: Mapping[str, Any]) -> InputSpec:
        height, width = (int(length) for length in stated["size"])
        return cls(
            size=(height, width),
            fit=stated.get("fit", "resize"),
            multiple=int(stated.get("multiple", 0)),
            overlap=float(stated.get("overlap", 0.25)),
            channels=int(stated.get("channels", 1)),
            order=stated.get("order", "rgb"),
            scaling=_scaling(stated.get("scaling", {})),
            mean=tuple(float(value) for value in stated.get("mean", ())),
            std=tuple(float(value) for value in stated.get("std", ())),
        )

    @classmethod
    def unknown_entry(cls, stated: Mapping[str, Any]) -> str:
        """Name an entry of a card that means nothing, beside those that do; empty if all do.

        It is ignored where a model is used, as those of later versions are, but likely a slip where
        somebody writes it.
        """
        scaling = stated.get("scaling", {})
        of_kind = {"divide": ("by",), "window": ("low", "high"), "percentile": ("low", "high")}
        known = of_kind.get(scaling.get("kind", "percentile"), tuple(scaling))
        names = tuple(field.name for field in fields(cls))
        for entries, means in ((stated, names), (scaling, ("kind", *known))):
            wrong = sorted(set(entries) - set(means))
            if wrong:
                return f"{wrong[0]!r} among {', '.join(means)}"
        return ""

    @property
    def in_words(self) -> str:
        """What a net is shown: how much at once, grey or in colour, which raw values."""
        height, width = self.size
        seen = "tiles of" if self.fit == "tile" else "whole plane at"
        colours = "colour" if self.channels == 3 else "grey"
        scaling = self.scaling
        values = f", values {scaling.low:g} to {scaling.high:g}" if scaling.kind == "window" else ""
        return f"{seen} {height} × {width}, {colours}{values}"

    def _problem(self) -> str:
        """Say what cannot be, or nothing."""
        scaling = self.scaling
        checks = {
            "its size must be positive": min(self.size) > 0,
            "its fit must be 'resize' or 'tile'": self.fit in ("resize", "tile"),
            "its multiple must not be negative": self.multiple >= 0,
            "its overlap must be at least 0 and less than 1": 0 <= self.overlap < 1,
            "it must take 1 or 3 channels": self.channels in (1, 3),
            "the order of its channels must be 'rgb' or 'bgr'": self.order in ("rgb", "bgr"),
            "its scaling must be 'percentile', 'window' or 'divide', from a lower to a higher "
            "value": scaling.kind in ("percentile", "window", "divide")
            and scaling.low < scaling.high,
            "its percentiles must lie between 0 and 100": scaling.kind != "percentile"
            or (scaling.low >= 0 and scaling.high <= 100),
            "its mean and std must be given for every channel, std above 0": (
                len(self.mean) == len(self.std)
                and len(self.mean) in (0, self.channels)
                and all(value > 0 for value in self.std)
            ),
        }
        return next((problem for problem, holds in checks.items() if not holds), "")

    def checked_tile(self, side: int) -> tuple[int, int]:
        """Give the tile of this side.

        Raises
        ------
        ValueError
            If the net cannot take it.
        """
        if self.fit == "resize":
            raise ValueError(
                "This model looks at the whole plane, resized: leave the tile size out."
            )
        if self.multiple == 0 and (side, side) != self.size:
            raise ValueError(
                f"This model takes tiles of {self.size[0]} × {self.size[1]} pixels and no others."
            )
        if side < 1 or (self.multiple and side % self.multiple):
            raise ValueError(
                f"This model takes tiles whose side is a multiple of {self.multiple}, not {side}."
            )
        return side, side


@dataclass(frozen=True)
class OutputSpec:
    """How a pretrained net answers: logits (B, K, H, W) of the size of its input.

    On a card it is the mapping ``output``: {"activation": "sigmoid" or "softmax"}.

    Parameters
    ----------
    activation : {"sigmoid", "softmax"}
        ``"sigmoid"``: one channel for each class, independent of each other. ``"softmax"``: the
        background first, then one channel for each class.
    n_classes : int
        Without the background.
    """

    activation: Literal["sigmoid", "softmax"]
    n_classes: int

    @property
    def channels(self) -> int:
        """Channels of the net's output."""
        return self.n_classes + (self.activation == "softmax")

    @classmethod
    def of(cls, card: ModelCard) -> OutputSpec:
        """Read the output of a pretrained model's card.

        Raises
        ------
        CardError
            If the card does not say enough, or what cannot be.
        """
        activation = card.output.get("activation", "sigmoid" if len(card.classes) == 1 else None)
        if activation not in ("sigmoid", "softmax"):
            raise CardError(
                f"The card of model {card.name!r} must say whether its output goes through a "
                "'sigmoid' or a 'softmax' (entry 'output', 'activation')."
            )
        if not card.classes:
            raise CardError(f"The card of model {card.name!r} names no class that it segments.")
        return cls(activation, len(card.classes))


def _scaling(stated: Mapping[str, Any]) -> Scaling:
    kind = stated.get("kind", "percentile")
    if kind == "divide":
        return Scaling("divide", 0.0, float(stated["by"]))
    if kind == "window":
        return Scaling("window", float(stated["low"]), float(stated["high"]))
    return Scaling(kind, float(stated.get("low", 0.5)), float(stated.get("high", 99.5)))
