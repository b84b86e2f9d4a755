"""Forecast what a run needs, so that it is split before it fails."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

MAX_SUPPORT_PER_PASS = 64
"""Larger support sets are split into groups whose answers are averaged; the net was published for
64."""

SHARE = 0.5
"""Part of the free memory that a run may take."""


def forecast_pass(n_support: int, size: int = 128, queries: int = 1) -> int:
    """Give the bytes that one pass of the in-context net takes at most beside its weights.

    Measured with UniverSeg: maps of 64 channels for every example at full and at half resolution,
    and some tens of megabytes of workspace.
    """
    plane = size * size * 64 * 4
    return queries * (6 * plane + 2 * n_support * plane)


def available_memory(device: torch.device) -> int:
    """Give the free bytes of a device; for the CPU those that need no swapping."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return 4 * 2**30


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
    import torch

    return n_bytes <= SHARE * available_memory(torch.device("cpu"))
