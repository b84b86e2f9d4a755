"""Tune the in-context net itself on the examples: each is asked for after some of the others.

The same episodes as in its training (Butoi et al., UniverSeg, ICCV 2023, section 3.2), drawn from
one support set: what the net then learns is not one mask, but how to look at these images.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from napari_medseg.engine.adapt.fit import rounded, shrunk
from napari_medseg.engine.adapt.views import Strengths, draw_views
from napari_medseg.engine.by_example.class_examples import ClassExamples
from napari_medseg.engine.by_example.passes import Predictor, View
from napari_medseg.engine.by_example.prepare import PreparedSupport
from napari_medseg.engine.by_example.support import SupportExample
from napari_medseg.engine.devices import choose_precision

if TYPE_CHECKING:
    from torch import Tensor, nn

    _Planes = tuple[Tensor, Tensor]

STEPS = 30
RATE = 1e-3
WARM_UP = 5
"""Steps over which the learning rate rises; it falls to a tenth until the last step."""

SIDE = 96
"""Side of the planes while tuning: a third of the time that the net's own 128 pixels take."""

OTHERS = 5
"""Examples that a query is asked after, at most."""

CLOSE = 0.3
"""Part of the episodes with planes as the second look shows them."""

CROSS_ENTROPY = 0.25
"""Weight of the cross-entropy beside the soft Dice, as in the net's own training."""


def can_be_tuned(net: nn.Module) -> bool:
    """Tell whether a net has weights that a gradient reaches."""
    return any(parameter.is_floating_point() for parameter in net.parameters())


class Tuner:
    """A copy of the in-context net that learns from some of the examples.

    Parameters
    ----------
    prepared : PreparedSupport
        The net, and the examples as it is told them.
    held_out : sequence of SupportExample
        Examples that it never sees.
    seed : int
        Decides its episodes.
    """

    def __init__(
        self, prepared: PreparedSupport, held_out: Sequence[SupportExample], seed: int
    ) -> None:
        import torch

        self.rng = np.random.default_rng(seed)
        self.device = prepared.predictor.device
        self.dtype = choose_precision("auto", self.device)
        hidden = {id(example) for example in held_out}
        self._pairs = [
            views for item in prepared.gathered if (views := self._views(prepared, item, hidden))
        ]
        self.net = copy.deepcopy(prepared.predictor.net).to(self.device).requires_grad_(True)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), RATE, weight_decay=0.0)

    @property
    def can_learn(self) -> bool:
        """Whether there is an example to learn from."""
        return bool(self._pairs)

    def step(self, number: int) -> None:
        """Learn from one episode, the `number`-th of `STEPS`."""
        import torch

        for group in self.optimiser.param_groups:
            group["lr"] = RATE * min(1.0, (number + 1) / WARM_UP) * (1 - 0.9 * number / STEPS)
        images, masks = self._episode()
        views, wanted = draw_views(self.rng, images, masks, 1, Strengths())
        with torch.enable_grad():
            with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
                logits = self.net(views[:1], views[None, 1:], wanted[None, 1:]).float()
            loss = _loss(logits, wanted[:1])
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()

    def state(self) -> dict[str, Tensor]:
        """Copy the weights."""
        return {key: value.detach().cpu().clone() for key, value in self.net.state_dict().items()}

    def _episode(self) -> tuple[Tensor, Tensor]:
        """Draw a class, a query, and the examples to ask after: images and masks, query first.

        A single example is asked for after another view of itself.
        """
        import torch

        whole, close = self._pairs[int(self.rng.integers(len(self._pairs)))]
        images, masks = close if self.rng.random() < CLOSE else whole
        order = self.rng.permutation(len(images))
        chosen = order[: 1 + OTHERS] if len(order) > 1 else np.repeat(order, 2)
        index = torch.from_numpy(chosen).to(self.device)
        return images[index], masks[index]

    def _views(
        self, prepared: PreparedSupport, item: ClassExamples, hidden: set[int]
    ) -> tuple[_Planes, _Planes] | None:
        """Give what a class's examples show, whole and close up; None if all are held out."""
        shown = [at for at, example in enumerate(item.examples) if id(example) not in hidden]
        if not shown:
            return None
        task = item.task(prepared.ways[item.index].learned, True, shown)
        return self._small(task.whole), self._small(task.close)

    def _small(self, view: View) -> _Planes:
        """Give images and masks (S, 1, n, n) of at most `SIDE` pixels."""
        import torch

        both = torch.from_numpy(np.stack([view.images, view.labels], 1))
        both = shrunk(both, min(SIDE, both.shape[-1])).to(self.device)
        return both[:, :1], both[:, 1:]


def averaged(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Give the mean of the weights of several tuned nets, rounded as a file keeps them (float16).

    Nets that were tuned from the same weights may be averaged instead of their answers (Wortsman
    et al., "Model soups", ICML 2022), so that a prediction asks one net only.
    """
    import torch

    keys = states[0].keys()
    return {key: rounded(torch.stack([state[key] for state in states]).mean(0)) for key in keys}


def with_weights(prepared: PreparedSupport, weights: Mapping[str, Tensor]) -> PreparedSupport:
    """Give the same preparation, to be answered by the net with other weights."""
    net = copy.deepcopy(prepared.predictor.net)
    net.load_state_dict(dict(weights), strict=True)
    return with_net(prepared, net)


def with_net(prepared: PreparedSupport, net: nn.Module) -> PreparedSupport:
    """Give the same preparation, to be answered by another net, which learns no more."""
    asked = net.eval().requires_grad_(False)
    predictor = Predictor(asked, prepared.predictor.device, prepared.predictor.dtype)
    return replace(prepared, predictor=predictor)


def _loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Soft Dice and some cross-entropy of one query, (1, 1, n, n)."""
    import torch.nn.functional as F

    found = logits.sigmoid()
    dice = 1 - (2 * (found * wanted).sum() + 1) / ((found + wanted).sum() + 1)
    return dice + CROSS_ENTROPY * F.binary_cross_entropy_with_logits(logits, wanted)
