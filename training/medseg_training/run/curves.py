"""Curves for TensorBoard, where it is installed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


class CurvesError(ValueError):
    """TensorBoard is asked for but not installed."""


class Curves:
    """Writes scalars into a folder that TensorBoard reads."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise CurvesError(
                "TensorBoard is not installed: install napari-medseg[train], or leave "
                "trainer.tensorboard out."
            ) from error
        self._writer = SummaryWriter(str(folder))

    def add(self, group: str, step: int, values: Mapping[str, float]) -> None:
        """Add one point to each curve of a group, and bring it to the disk."""
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)
        self._writer.flush()
