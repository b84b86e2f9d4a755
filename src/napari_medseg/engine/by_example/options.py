"""What can be asked of segmentation by example."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from napari_medseg.engine.devices import choose_device, choose_precision
from napari_medseg.engine.postprocess import PostProcess
from napari_medseg.engine.results import check_seed
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.registry import card_of
from napari_medseg.zoo.weights import check_present

DEFAULT_MODEL = "universeg-open"
MOST_EFFORT = 8


@dataclass(frozen=True)
class ByExampleOptions:
    """How to segment by example.

    Parameters
    ----------
    model : str or ModelCard
        An in-context model of the zoo.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
    threshold : float
        Probability from which a pixel belongs to its best class.
    refine : bool or "auto"
        Whether the region found is looked at again at its own scale; ``"auto"`` decides for every
        class by leave-one-out on the examples.
    colour : {"auto", "grey", "learned"}
        How colour images become one channel: by brightness, or by the projection that best
        separates the classes of the examples; ``"auto"`` decides as above. Grey images ignore it.
    ensemble : int
        Number of random subsets of the examples whose answers are averaged; 1 asks once with all.
    flips : bool
        Whether mirrored copies are asked as well and averaged; four times the work.
    precision : {"float32", "bfloat16", "auto"}
        See `napari_medseg.engine.devices.choose_precision`.
    adapt : bool or "kept"
        Whether nets are fitted on the examples first, which takes about half a minute the first
        time, see `napari_medseg.engine.by_example.adapt.job`; ``"kept"`` uses those that the
        support set carries already. With a single example nothing is fitted, as nothing could be
        left out.
    adapt_effort : int
        How many times as long as usual nets are fitted at most, 1 to `MOST_EFFORT`; what takes long
        to learn, such as a small organ, needs 3 or more.
    seed : int
        Of the random subsets, and of the fit.
    keep_probabilities : bool
        Whether the result holds the probabilities, not only the labels.
    post : PostProcess
        How the label map is cleaned up; by default not at all.
    """

    model: str | ModelCard = DEFAULT_MODEL
    device: str = "auto"
    threshold: float = 0.5
    refine: bool | Literal["auto"] = "auto"
    colour: Literal["auto", "grey", "learned"] = "auto"
    ensemble: int = 1
    flips: bool = False
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    adapt: bool | Literal["kept"] = "kept"
    adapt_effort: int = 1
    seed: int = 0
    keep_probabilities: bool = True
    post: PostProcess = field(default_factory=PostProcess)

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not 0.0 <= self.threshold <= 1.0:
            raise ValueError(f"The threshold must lie between 0 and 1; got {self.threshold:g}.")
        if self.refine not in (True, False, "auto"):
            raise ValueError(f"refine must be True, False or 'auto'; got {self.refine!r}.")
        if self.colour not in ("auto", "grey", "learned"):
            raise ValueError(f"colour must be 'auto', 'grey' or 'learned'; got {self.colour!r}.")
        if self.adapt not in (True, False, "kept"):
            raise ValueError(f"adapt must be True, False or 'kept'; got {self.adapt!r}.")
        if not 1 <= self.adapt_effort <= MOST_EFFORT:
            raise ValueError(
                f"The effort of adapting must lie between 1 and {MOST_EFFORT}; "
                f"got {self.adapt_effort}."
            )
        if self.ensemble < 1:
            raise ValueError(f"The ensemble needs at least one member; got {self.ensemble}.")

    @property
    def learned_colour(self) -> bool | None:
        """Whether colours are learned; None leaves it open."""
        return None if self.colour == "auto" else self.colour == "learned"

    @property
    def second_look(self) -> bool | None:
        """Whether there is a second look; None leaves it open."""
        return None if self.refine == "auto" else bool(self.refine)

    def of_preparation(self) -> tuple[Any, ...]:
        """Give what a prepared support set depends on, beside its model."""
        fields = ("device", "refine", "colour", "ensemble", "flips", "precision", "seed")
        return tuple(getattr(self, name) for name in fields)

    def as_dict(self) -> dict[str, Any]:
        """Give the options as values JSON can hold, without the model."""
        values = asdict(self)
        del values["model"]
        return values


def check_options(options: ByExampleOptions) -> ModelCard:
    """Give the card of the model, after checking what can be checked without an example.

    Raises
    ------
    ValueError
        With one sentence, where the model, the device or the precision cannot be used.
    """
    card = card_of(options.model)
    if card.kind != "in-context":
        raise ValueError(
            f"The model {card.name!r} takes no examples: segment with it as it is, or choose an "
            "in-context model."
        )
    choose_precision(options.precision, choose_device(options.device))
    check_present(card)
    return card
