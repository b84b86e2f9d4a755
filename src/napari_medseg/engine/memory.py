"""Forecast what a run needs, so that it is split before it fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MAX_SUPPORT_PER_PASS = 64
"""Larger support sets are split into groups whose answers are averaged; the net was published for
64."""

ASSUMED = 8 * 2**30
"""Free memory that is assumed where the system does not say."""

SHARE = 0.5
"""Part of the free memory that a run may take."""


def forecast_pass(n_support: int, size: int = 128, queries: int = 1) -> int:
    """Give the bytes that one pass of the in-context net takes at most beside its weights.

    Counted for the plain formulation: maps of 64 channels for every example at full and at half
    resolution, and as many again as six queries have. UniverSeg's fast path stays far below (68 MB
    instead of 560 MB for 64 examples).
    """
    plane = size * size * 64 * 4
    return queries * (6 * plane + 2 * n_support * plane)


def available_memory(device: torch.device) -> int:
    """Give the free bytes of a device; for the CPU those that need no swapping."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return _available_here()


def queries_per_pass(n_support: int, device: torch.device, size: int = 128) -> int:
    """Give how many queries to put into one pass.

    One on the CPU, where a larger batch is not faster and would delay Cancel; on a GPU as many as
    fit into its free memory, at most 32.
    """
    if device.type != "cuda":
        return 1
    room = available_memory(device) * SHARE
    return int(max(1, min(32, room // forecast_pass(n_support, size))))


def fits(n_bytes: int) -> bool:
    """Say whether an array of that size may be kept in the computer's memory."""
    return n_bytes <= SHARE * _available_here()


def _available_here() -> int:
    """Give the bytes of the computer that can be had without swapping, caches included."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return ASSUMED
    lines = [line.split() for line in text.splitlines() if line.startswith("MemAvailable:")]
    return int(lines[0][1]) * 1024 if lines else ASSUMED
