"""Charts as SVG text that goes straight into a report: no library, sharp at any size."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

WIDTH = 760
_LEFT, _RIGHT, _ROW, _TOP, _BOTTOM = 150, 20, 46, 10, 34
_SCATTER = 10.0


def strips(
    rows: Sequence[tuple[str, NDArray[np.float64]]],
    low: float,
    high: float,
    title: str,
    zero: float | None = None,
) -> str:
    """Draw every value of some classes as a dot, with quartiles and median, one row for each class.

    Parameters
    ----------
    rows : sequence of (str, ndarray)
        Name and values; NaN is left out.
    low, high : float
        Ends of the axis.
    title : str
        Of the axis.
    zero : float, optional
        Where a line marks that there is no difference.
    """
    height = _TOP + _ROW * len(rows) + _BOTTOM
    axis = _Axis(low, high)
    parts = [axis.drawn(height, title)]
    if zero is not None:
        x = axis.at(zero)
        parts.append(f'<line class="zero" x1="{x}" y1="{_TOP}" x2="{x}" y2="{height - _BOTTOM}"/>')
    for number, (name, values) in enumerate(rows):
        middle = _TOP + _ROW * (number + 0.5)
        parts.append(
            f'<text class="name" x="{_LEFT - 10}" y="{middle + 4}">{escape(_short(name))}</text>'
        )
        parts.append(_strip(values[np.isfinite(values)], axis, middle))
    return _svg("".join(parts), height, title)


def intervals(
    rows: Sequence[tuple[str, float, float, float]], low: float, high: float, title: str
) -> str:
    """Draw means with their intervals, and a line at 0: name, mean, lower and upper end."""
    height = _TOP + _ROW * len(rows) + _BOTTOM
    axis = _Axis(low, high)
    x = axis.at(0.0)
    parts = [axis.drawn(height, title)]
    parts.append(f'<line class="zero" x1="{x}" y1="{_TOP}" x2="{x}" y2="{height - _BOTTOM}"/>')
    for number, (name, mean, left, right) in enumerate(rows):
        y = _TOP + _ROW * (number + 0.5)
        parts.append(
            f'<text class="name" x="{_LEFT - 10}" y="{y + 4}">{escape(_short(name))}</text>'
            f'<line class="range" x1="{axis.at(left)}" y1="{y}" x2="{axis.at(right)}" y2="{y}"/>'
            f'<circle class="mean" cx="{axis.at(mean)}" cy="{y}" r="5"/>'
        )
    return _svg("".join(parts), height, title)


class _Axis:
    """A horizontal axis."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high if high > low else low + 1.0

    def at(self, value: float) -> float:
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(_LEFT + part * (WIDTH - _LEFT - _RIGHT), 1)

    def drawn(self, height: int, title: str) -> str:
        foot = height - _BOTTOM
        parts = []
        for tick in _ticks(self.low, self.high):
            x = self.at(tick)
            parts.append(
                f'<line class="grid" x1="{x}" y1="{_TOP}" x2="{x}" y2="{foot}"/>'
                f'<text class="tick" x="{x}" y="{foot + 14}">{tick:g}</text>'
            )
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(f'<text class="tick" x="{middle}" y="{foot + 29}">{escape(title)}</text>')
        return "".join(parts)


def _strip(values: NDArray[np.float64], axis: _Axis, middle: float) -> str:
    if not len(values):
        return f'<text class="tick" x="{_LEFT + 60}" y="{middle + 4}">no defined value</text>'
    lower, median, upper = np.percentile(values, [25, 50, 75])
    left, right, centre = axis.at(lower), axis.at(upper), axis.at(median)
    # Dots are spread over the row by a fixed sequence, so that equal values stay visible.
    spread = (np.arange(len(values)) * 0.618 % 1 - 0.5) * 2 * _SCATTER
    dots = "".join(
        f'<circle class="dot" cx="{axis.at(value)}" cy="{round(middle + shift, 1)}" r="2.6"/>'
        for value, shift in zip(values, spread, strict=True)
    )
    box = (
        f'<rect class="box" x="{left}" y="{middle - 14}" width="{max(1.0, right - left):.1f}" '
        f'height="28" rx="3"/>'
        f'<line class="median" x1="{centre}" y1="{middle - 14}" x2="{centre}" y2="{middle + 14}"/>'
    )
    return dots + box


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 6
    size = 10.0 ** np.floor(np.log10(rough))
    step = next(size * n for n in (1, 2, 5, 10) if size * n >= rough)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(n * step, 10) for n in range(first, last + 1)]


def _short(name: str) -> str:
    return name if len(name) <= 20 else name[:19] + "…"


def _svg(content: str, height: int, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title, quote=True)}">{content}</svg>'
    )
