"""A pretrained net that ONNX Runtime computes in torch's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_medseg.zoo.cards import ModelCard
from napari_medseg.zoo.onnx import only_logits
from napari_medseg.zoo.onnx_cache import cached_onnx

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class OnnxNet(nn.Module):
    """A net like any other, on the CPU, but ONNX Runtime computes its logits.

    Parameters
    ----------
    net : torch.nn.Module
        With its weights. It becomes ONNX once for every size of images.
    card : ModelCard
        Of the net.
    """

    def __init__(self, net: nn.Module, card: ModelCard) -> None:
        super().__init__()
        self.plain = only_logits(net)
        self.card = card
        self._sessions: dict[tuple[int, int], InferenceSession] = {}

    def prepare(self, size: tuple[int, int]) -> None:
        """Get ready for images of this size.

        Raises
        ------
        SaveError
            If the ONNX file cannot be written, or gives other logits than torch.
        """
        if size not in self._sessions:
            content = cached_onnx(self.plain, self.card, size)
            self._sessions[size] = _session(content)

    def forward(self, image: Tensor) -> Tensor:
        """Give the logits (B, K, H, W) of images (B, channels, H, W).

        Raises
        ------
        MemoryError
            If the images do not fit.
        """
        if image.is_meta:
            forecast: Tensor = self.plain(image)
            return forecast
        size = (int(image.shape[-2]), int(image.shape[-1]))
        self.prepare(size)
        try:
            found = [
                self._sessions[size].run(["logits"], {"image": one.numpy()})[0]
                for one in image.split(1)
            ]
        except Exception as error:  # ONNX Runtime's own errors have no common class.
            if "allocat" in str(error):
                raise MemoryError("The device has not enough memory.") from error
            raise
        return torch.cat([torch.from_numpy(logits) for logits in found])


def _session(content: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    # Threads that spin while they wait take the processor from everybody else.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
