"""Hand a pretrained model on as ONNX, to run where there is no torch."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medseg.io.atomic import atomic_write, make_folder
from napari_medseg.io.hush import hushed
from napari_medseg.zoo.cards import CardError, ModelCard
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
    if not is_installed("onnx", "onnxscript"):
        raise ImportError("Exporting to ONNX needs: pip install 'napari-medseg[onnx]'.")
    return write_onnx(load_net(card), card, spec.size, Path(folder) / f"{card.name}.onnx")


def write_onnx(
    net: nn.Module, card: ModelCard, size: tuple[int, int], path: Path, *, single: bool = False
) -> Path:
    """Write a net as an ONNX file for images of one size; see `export_onnx`.

    Parameters
    ----------
    net : torch.nn.Module
        Of the card, with its weights, on the CPU.
    card : ModelCard
        Goes into the file's metadata.
    size : tuple of int
        Height and width.
    path : Path
        The file; its folder is made where it is missing.
    single : bool
        Whether it takes one image at a time, which every net can be converted for. Else it takes
        any number, unless torch's exporter fixes it, as it does for SwinUNet, at 2.

    Raises
    ------
    SaveError
        If the file cannot be written, or gives other logits than torch.
    """
    import torch

    whole = only_logits(net)
    generator = torch.Generator().manual_seed(0)
    # A caller may be in inference mode, whose tensors cannot be traced.
    with torch.inference_mode(False), torch.no_grad():
        image = torch.rand(
            1 if single else 2, InputSpec.of(card).channels, *size, generator=generator
        )
        program = _exported(whole, image, single)
        wanted = whole(image).numpy()
    program.model.metadata_props[CARD] = card.to_json()
    make_folder(path.parent)
    return atomic_write(
        path,
        lambda file: program.save(file),
        lambda file: _check(file, image.numpy(), wanted),
    )


def is_installed(*packages: str) -> bool:
    """Say whether all of these packages can be imported."""
    from importlib.util import find_spec

    return all(find_spec(package) is not None for package in packages)


def _exported(whole: nn.Module, image: Tensor, single: bool) -> Any:
    import torch

    with _quiet():
        return torch.onnx.export(
            whole,
            (image,),
            dynamo=True,
            verbose=False,
            input_names=["image"],
            output_names=["logits"],
            dynamic_shapes=None if single else ({0: torch.export.Dim("batch")},),
        )


def only_logits(net: nn.Module) -> nn.Module:
    """Give a net, for evaluation, whose only output are the logits (B, K, H, W)."""
    from torch import nn

    from napari_medseg.nets.inference import logits_of

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, image: Tensor) -> Tensor:
            return logits_of(self.net, image)

    return Logits().eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch's exporter says about itself from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with hushed():
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
