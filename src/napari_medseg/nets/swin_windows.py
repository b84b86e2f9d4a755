"""Which tokens share an attention window, and where they stand in it.

Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows", ICCV 2021,
section 3.2. All of it follows from the size of the map and of the windows.
"""

from __future__ import annotations

import torch
from torch import Tensor


def relative_position_index(window: int) -> Tensor:
    """Give the row of the bias table for each pair of a window's tokens, (window², window²)."""
    steps = torch.arange(window)
    rows = steps.repeat_interleave(window)
    columns = steps.repeat(window)
    down = rows[:, None] - rows[None, :] + window - 1
    right = columns[:, None] - columns[None, :] + window - 1
    return down * (2 * window - 1) + right


def window_order(grid: int, window: int, shift: int) -> Tensor:
    """Give which token of the map (row by row) stands at each place, window by window."""
    tokens = torch.arange(grid**2).view(grid, grid).roll((-shift, -shift), (0, 1))
    return _windows(tokens, window).flatten()


def shift_mask(grid: int, window: int, shift: int) -> Tensor:
    """Give what keeps apart tokens that only the shift brought together.

    Returns
    -------
    Tensor, shape (windows, window², window²)
        0 where two tokens were neighbours before the map was rolled, -100 where not.
    """
    band = torch.zeros(grid, dtype=torch.long)
    band[grid - window : grid - shift] = 1
    band[grid - shift :] = 2
    region = _windows(3 * band[:, None] + band[None, :], window)
    apart = region[:, :, None] != region[:, None, :]
    return apart * -100.0


def _windows(grid: Tensor, window: int) -> Tensor:
    """Cut a square map (grid, grid) into (windows, window²)."""
    n = grid.shape[0] // window
    return grid.view(n, window, n, window).transpose(1, 2).reshape(n * n, window**2)
