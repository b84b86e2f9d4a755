"""Run a pretrained net on patches; where memory is short, less at once, then on the CPU."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.devices import choose_device, choose_precision, inference, mirrors
from napari_medseg.engine.memory import SHARE, available_memory
from napari_medseg.engine.results import byte_count
from napari_medseg.engine.with_model.options import SegmentOptions
from napari_medseg.engine.with_model.runtimes import Runtime
from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.specs import InputSpec, OutputSpec
from napari_medseg.zoo.weights import load_net

if TYPE_CHECKING:
    import torch
    from torch import nn

    from napari_medseg.engine.with_model.onnx_net import OnnxNet

LARGEST_BATCH = 32
SMALLEST_TILE = 64


class Stopped(Exception):
    """Nobody wants the answer any more."""


class SmallerTiles(Exception):
    """Tiles have become smaller, because they did not fit: begin the plane again."""


class NetRunner:
    """A pretrained net on a device, asked in batches that fit.

    What does not fit by the forecast, or in fact, is tried with half the batch, then with smaller
    tiles if the model allows them, then on the CPU; `notice` tells the user.

    Parameters
    ----------
    card : ModelCard
        Of a pretrained model.
    options : SegmentOptions
        Of which device, precision, flips, tile, batch and runtime count here.
    stop : threading.Event, optional
        Looked at before every layer of the net: once it is set, `Stopped` is raised.

    Raises
    ------
    ValueError
        If an option or the card cannot be used, or the weights are not what the card says.
    MemoryError
        If not even one patch fits on the CPU.
    """

    def __init__(
        self, card: ModelCard, options: SegmentOptions, stop: threading.Event | None = None
    ) -> None:
        self.input = InputSpec.of(card)
        self.output = OutputSpec.of(card)
        self.tile = (
            self.input.size if options.tile is None else self.input.checked_tile(options.tile)
        )
        if options.batch is not None and options.batch < 1:
            raise ValueError(f"A batch holds at least one patch; got {options.batch}.")
        onnx = options.runtime == "onnx"
        self.device = choose_device("cpu" if onnx else options.device)
        self.dtype = choose_precision("float32" if onnx else options.precision, self.device)
        self.net = _net(card, options.runtime, self.device)
        self.mirrors = mirrors(options.flips)
        self.notice = ""
        """What the user should know about how it runs, such as a move to the CPU."""
        self.batch = self._fitted_batch(options.batch)
        if onnx:
            cast("OnnxNet", self.net).prepare(self.tile)
        if stop is not None:
            _make_stoppable(self.net, stop)

    def probabilities(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the probabilities (B, K, *tile) for patches (B, channels, *tile).

        Raises
        ------
        SmallerTiles
            If the patches do not fit and `tile` was made smaller.
        MemoryError
            If one patch does not fit on the CPU.
        """
        answers: list[NDArray[np.float32]] = []
        done = 0
        while done < len(patches):
            batch = patches[done : done + self.batch]
            try:
                answers.append(self._ask(batch))
            except MemoryError:
                self._step_down(len(batch))
            else:
                done += len(batch)
        return np.concatenate(answers)

    def _ask(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        from napari_medseg.nets.inference import checked_logits

        maps = self.output.channels
        with inference(self.device, self.dtype):
            x = torch.from_numpy(batch).to(self.device)
            total = sum(
                self._activated(checked_logits(self.net, x.flip(axes), maps)).flip(axes)
                for axes in self.mirrors
            )
            answer = (total / len(self.mirrors)).cpu().numpy()  # type: ignore[union-attr]
        if np.isnan(answer.sum()):
            raise ValueError(
                "The model gives values that are no numbers for this image; it cannot be used here."
            )
        return answer

    def _activated(self, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.float()
        return logits.sigmoid() if self.output.activation == "sigmoid" else logits.softmax(1)

    def _fitted_batch(self, asked: int | None) -> int:
        """Go down the ladder until one patch fits by the forecast; give how many fit at once."""
        while True:
            need = self._forecast()
            free = available_memory(self.device)
            # On the last rung nothing is held back: better slow than not at all.
            room = free if self.device.type == "cpu" else SHARE * free
            if need <= room:
                break
            self._step_to_less(f"about {byte_count(need)} needed, {byte_count(free)} free")
        most = 1 if self.device.type == "cpu" else LARGEST_BATCH
        return asked or int(max(1, min(most, SHARE * free // max(1, need))))

    def _forecast(self) -> int:
        from napari_medseg.engine.with_model.forecast import forecast_forward
        from napari_medseg.nets.inference import checked_logits

        forward = partial(checked_logits, maps=self.output.channels)
        return forecast_forward(forward, self.net, (1, self.input.channels, *self.tile))

    def _step_down(self, tried: int) -> None:
        """Ask less at once from now on, after a batch of so many did not fit."""
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if tried > 1:
            self.batch = tried // 2
            return
        before = self.tile
        self._step_to_less("it ran out of memory")
        if self.tile != before:
            raise SmallerTiles

    def _step_to_less(self, why: str) -> None:
        """Make tiles smaller, else go on with the CPU, else give up."""
        smaller = self._smaller_tile()
        if smaller is not None:
            self.tile = smaller
            self.notice = f"Smaller tiles of {smaller[0]} × {smaller[1]} pixels to save memory"
        elif self.device.type != "cpu":
            self.device = choose_device("cpu")
            self.net = self.net.to(self.device)
            self.batch = 1
            self.notice = "The GPU has not enough memory; going on with the CPU"
        else:
            raise MemoryError(
                f"There is not enough memory for this model ({why}): close other programs, or use "
                "a smaller model."
            )

    def _smaller_tile(self) -> tuple[int, int] | None:
        """Give tiles of about half the side, or None where the model allows none."""
        multiple = self.input.multiple
        if self.input.fit != "tile" or not multiple:
            return None
        rows, columns = (side // 2 // multiple * multiple for side in self.tile)
        return (rows, columns) if min(rows, columns) >= max(SMALLEST_TILE, multiple) else None


def _net(card: ModelCard, runtime: Runtime, device: torch.device) -> nn.Module:
    if runtime == "torch":
        return _prepared(load_net(card), card).to(device)
    from napari_medseg.engine.with_model.onnx_net import OnnxNet

    return OnnxNet(load_net(card), card)


def _prepared(net: nn.Module, card: ModelCard) -> nn.Module:
    """Fold batch normalisation where there is any, in nets of which the order is known."""
    from torch import nn

    from napari_medseg.nets.inference import inference_copy
    from napari_medseg.zoo.architectures import NETS

    has_norms = any(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    return inference_copy(net) if has_norms and card.net in NETS else net


def _make_stoppable(net: nn.Module, stop: threading.Event) -> None:
    def check(*_: object) -> None:
        if stop.is_set():
            raise Stopped

    for module in net.modules():
        module.register_forward_pre_hook(check)
