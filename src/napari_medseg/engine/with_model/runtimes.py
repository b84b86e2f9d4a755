"""What computes a pretrained net: torch, or ONNX Runtime."""

from __future__ import annotations

from typing import Literal, get_args

from napari_medseg.zoo.onnx import is_installed

Runtime = Literal["torch", "onnx"]
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)


def check_runtime(runtime: str, device: str, precision: str) -> None:
    """Make sure that a runtime is there and can compute like this.

    Raises
    ------
    ValueError
        With one sentence that says what to do.
    """
    if runtime not in RUNTIMES:
        raise ValueError(f"Unknown runtime {runtime!r}; choose one of {', '.join(RUNTIMES)}.")
    if runtime == "torch":
        return
    if not is_installed("onnx", "onnxscript", "onnxruntime"):
        raise ValueError("The runtime onnx needs: pip install 'napari-medseg[onnx]'.")
    if device not in ("auto", "cpu"):
        raise ValueError(f"The runtime onnx computes on the CPU, not on {device}: choose cpu.")
    if precision == "bfloat16":
        raise ValueError("The runtime onnx computes in float32: leave bfloat16 out.")
