"""Forecast what a run needs, so that it is split before it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import torch

MAX_SUPPORT_PER_PASS = 64
"""Larger support sets are split into groups whose answers are averaged; the net was published for
64."""

SHARE = 0.5
"""Part of the free memory that a run may take."""


def forecast_pass(n_support: int, size: int = 128) -> int:
    """Give the bytes that a query takes at most in a pass of the in-context net.

    Counted for the plain formulation: maps of 64 channels for every example at full and at half
    resolution, and as many again as six queries have. UniverSeg's fast path stays far below (68 MB
    instead of 560 MB for 64 examples).
    """
    plane = size * size * 64 * 4
    return (6 + 2 * n_support) * plane


def available_memory(device: torch.device) -> int:
    """Give the free bytes of a device; for the CPU those that need no swapping."""
    import torch

    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return psutil.virtual_memory().available


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
    return n_bytes <= SHARE * psutil.virtual_memory().available
