"""Where a net runs, and with which precision."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("float32", "bfloat16", "auto")


def choose_device(name: str = "auto") -> torch.device:
    """Give the device of this name; ``"auto"`` takes the fastest there is.

    Parameters
    ----------
    name : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` (or ``"cuda:1"``), ``"mps"``.

    Raises
    ------
    ValueError
        If this computer has no such device.
    """
    import torch

    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = next(kind for kind in ("cuda", "mps", "cpu") if available[kind])
    kind, _, number = name.partition(":")
    if kind not in available:
        raise ValueError(f"There is no device named {name!r}; choose one of {', '.join(DEVICES)}.")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if not available[kind] or (number and not (number.isdigit() and int(number) < count)):
        raise ValueError(f"This computer has no usable device {name!r}: choose auto or cpu.")
    return torch.device(name)


def checked_name(name: str) -> str:
    """Give the name of a device of this computer; nothing heavy is loaded for auto and cpu.

    Raises
    ------
    ValueError
        If this computer has no such device.
    """
    name = str(name)
    if name not in ("auto", "cpu"):
        choose_device(name)
    return name


def limit_threads(count: int) -> None:
    """Let what this thread computes take so many cores of the processor; 0 for as many as usual.

    Where torch is not loaded yet it takes note of the number when it is.
    """
    if not count:
        return
    torch = sys.modules.get("torch")
    if torch is None:
        os.environ["OMP_NUM_THREADS"] = str(count)
    else:
        torch.set_num_threads(count)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Give the type a net computes in.

    ``"float32"`` is the same to the bit at every run and is the default. ``"auto"`` takes bfloat16
    where the hardware is built for it: CUDA from compute capability 8, CPUs with AVX-512-BF16 or
    AMX. Probabilities then differ by about 0.01.

    Raises
    ------
    ValueError
        If the name is unknown.
    """
    import torch

    if name not in PRECISIONS:
        raise ValueError(f"Unknown precision {name!r}; choose one of {', '.join(PRECISIONS)}.")
    if name == "bfloat16" or (name == "auto" and has_fast_bfloat16(device)):
        return torch.bfloat16
    return torch.float32


def mirrors(flips: bool) -> list[tuple[int, ...]]:
    """Give the axes to mirror for every answer that is averaged, none of them for the first."""
    return [(), (-1,), (-2,), (-2, -1)] if flips else [()]


@contextmanager
def inference(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Let nets answer within, on a device and in a type of `choose_precision`.

    Raises
    ------
    MemoryError
        If the device has not enough memory, which torch says in many ways.
    """
    import torch

    from napari_medseg.nets.inference import is_lack_of_memory

    # Fixed algorithms without TF32: the same call gives the same bytes on a GPU, too.
    exact = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    mixed = dtype != torch.float32
    try:
        with torch.inference_mode(), exact, torch.autocast(device.type, dtype, mixed):
            yield
    except RuntimeError as error:
        if is_lack_of_memory(error):
            raise MemoryError("The device has not enough memory.") from error
        raise


def has_fast_bfloat16(device: torch.device) -> bool:
    """Say whether the hardware multiplies bfloat16 faster than float32."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        return bool({"avx512_bf16", "amx_bf16"} & _cpu_flags())
    return False


def _cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="ignore")
    except OSError:
        return set()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return set(line.partition(":")[2].split())
