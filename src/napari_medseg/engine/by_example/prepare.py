"""Make a support set ready for the net once, for all the planes and calls that follow."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from napari_medseg.engine.by_example.class_examples import ClassExamples, gather
from napari_medseg.engine.by_example.looks import ClassTask
from napari_medseg.engine.by_example.options import ByExampleOptions, check_options
from napari_medseg.engine.by_example.passes import Averaging, Predictor
from napari_medseg.engine.by_example.support import SupportError, SupportSet
from napari_medseg.engine.by_example.ways import Way, choose_way
from napari_medseg.engine.devices import choose_device, choose_precision
from napari_medseg.engine.results import Progress, told
from napari_medseg.zoo.cards import ModelCard

KEPT = 6
"""How many results of work on a support set are kept for the next call."""


@dataclass(frozen=True)
class PreparedSupport:
    """A net, and what it is told about every class.

    Parameters
    ----------
    predictor : Predictor
        The net on its device.
    card : ModelCard
        Of the net.
    gathered : tuple of ClassExamples
        For every class that at least one example shows.
    tasks : tuple of ClassTask
        The same, as the net is told.
    ways : mapping of int to Way
        How each class is looked at, and why.
    averaging : Averaging
        Ensemble and flips.
    class_names : tuple of str
        With the background.
    support_hash : str
        Of the examples.
    """

    predictor: Predictor
    card: ModelCard
    gathered: tuple[ClassExamples, ...]
    tasks: tuple[ClassTask, ...]
    ways: dict[int, Way]
    averaging: Averaging
    class_names: tuple[str, ...]
    support_hash: str


def prepare(
    support: SupportSet, options: ByExampleOptions, colours: bool, total: int = 1
) -> Generator[Progress, None, PreparedSupport]:
    """Load the net, bring the examples to its size and choose how each class is looked at.

    The result is kept in ``support.memo``, so that only the first call for a support set pays.

    Parameters
    ----------
    support : SupportSet
        At least one example.
    options : ByExampleOptions
        What was asked for.
    colours : bool
        Whether the query has colours; they are used only where all examples have them, too.
    total : int
        Steps of the job that this is the beginning of, for `Progress`.

    Raises
    ------
    SupportError
        If there is no example.
    CardError, WeightsError
        If the model cannot be used.
    ValueError
        If the model takes no examples, or the device or the precision is not there.
    """
    if not isinstance(support, SupportSet):
        raise SupportError("Examples are given as a SupportSet; SupportSet.load reads a folder.")
    if not len(support):
        raise SupportError("There is no example yet: paint one plane and add it as an example.")
    card = check_options(options)
    colours = colours and all(example.is_rgb for example in support)
    key = (support.content_hash, card.sha256, colours, options.of_preparation())
    prepared: PreparedSupport | None = support.memo.get(key)
    if prepared is None:
        yield Progress(0, total, "Loading the model")
        prepared = yield from _prepare(support, options, card, colours, total)
        keep(support.memo, key, prepared)
    return prepared


def _prepare(
    support: SupportSet, options: ByExampleOptions, card: ModelCard, colours: bool, total: int
) -> Generator[Progress, None, PreparedSupport]:
    from napari_medseg.zoo.weights import load_net

    device = choose_device(options.device)
    predictor = Predictor(load_net(card), device, choose_precision(options.precision, device))
    size = int(card.input.get("size", (128, 128))[0])
    # Sorted by content: the order in which examples were added must not change a single bit.
    ordered = sorted(support, key=lambda example: example.content_hash)
    gathered = tuple(gather(ordered, size, colours))
    ways = {}
    for examples in gathered:
        choice = choose_way(predictor, examples, options.learned_colour, options.second_look)
        choosing = Progress(0, total, "Choosing how to look, by leaving examples out")
        ways[examples.index] = yield from told(choice, choosing)
    return PreparedSupport(
        predictor,
        card,
        gathered,
        tuple(item.task(ways[item.index].learned, ways[item.index].twice) for item in gathered),
        ways,
        Averaging(options.ensemble, options.flips, options.seed),
        support.class_names,
        support.content_hash,
    )


def keep(memo: dict[Any, Any], key: Any, result: Any) -> None:
    """Keep a result for the next call, and forget the oldest."""
    memo[key] = result
    for oldest in list(memo)[:-KEPT]:
        memo.pop(oldest, None)
