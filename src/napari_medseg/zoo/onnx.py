"""Hand a pretrained model on as ONNX, to run where there is no torch."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.io.atomic import atomic_write
from napari_medseg.zoo.cards import CardError
from napari_medseg.zoo.registry import get_card
from napari_medseg.zoo.specs import InputSpec
from napari_medseg.zoo.weights import load_net

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

CARD = "model.json"
"""Entry of the file's metadata that holds the model card."""
_TOLERANCE = 1e-3
"""Of the logits, relative to the largest; float32 summed in another order differs by 1e-6."""


def export_onnx(name: str, folder: str | os.PathLike[str]) -> Path:
    """Write a model as one ONNX file.

    It maps ``image`` (batch, channels, H, W), float32 and prepared as the card says, to
    ``logits`` (batch, classes, H, W), with H and W the size on the card. The card
    travels in the file's metadata, as ``model.json``.

    Parameters
    ----------
    name : str
        A pretrained model of this computer.
    folder : path-like
        Gets ``NAME.onnx``.

    Returns
    -------
    Path
        The file. Where onnxruntime is installed, it was run and its logits are torch's.

    Raises
    ------
    CardError
        If there is no such model, or it needs examples.
    WeightsError
        If its weights are missing or damaged.
    ImportError
        If the ONNX packages are not installed.
    SaveError
        If the file cannot be written, or gives other logits than torch.
    """
    card = get_card(name)
    if card.kind != "pretrained":
        raise CardError(
            f"The model {name!r} works from examples; only pretrained ones become ONNX."
        )
    spec = InputSpec.of(card)
    _require("onnx", "onnxscript")
    import torch

    net = load_net(card).eval()
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, spec.channels, *spec.size, generator=generator)
    program = _exported(net, image)
    program.model.metadata_props[CARD] = card.to_json()
    with torch.inference_mode():
        wanted = _logits(net)(image).numpy()
    parent = Path(folder)
    parent.mkdir(parents=True, exist_ok=True)
    return atomic_write(
        parent / f"{card.name}.onnx",
        lambda file: program.save(file),
        lambda file: _check(file, image.numpy(), wanted),
    )


def _require(*packages: str) -> None:
    from importlib.util import find_spec

    if any(find_spec(package) is None for package in packages):
        raise ImportError("Exporting to ONNX needs: pip install 'napari-medseg[onnx]'.")


def _exported(net: nn.Module, image: Tensor) -> Any:
    import torch

    with _quiet(), torch.no_grad():
        return torch.onnx.export(
            _logits(net),
            (image,),
            dynamo=True,
            verbose=False,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )


def _logits(net: nn.Module) -> nn.Module:
    """Give a net whose only output are the logits."""
    from torch import nn

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, image: Tensor) -> Tensor:
            found: Tensor = getattr(self.net, "mask_logits", self.net)(image)
            return found

    return Logits().eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch's exporter says about itself from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _check(file: Path, image: NDArray[np.float32], wanted: NDArray[np.float32]) -> None:
    """Run the file where that can be done, and compare."""
    import numpy as np

    try:
        import onnxruntime
    except ImportError:
        return
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    found = session.run(None, {"image": image})[0]
    error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    if not error <= _TOLERANCE:
        raise ValueError(f"onnxruntime gives other logits than torch, by {error:.1e}")
