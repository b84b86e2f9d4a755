"""Folders of images with index masks, held in memory as sources of binary tasks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from medseg_training.data.files import read_channels, read_mask
from medseg_training.data.folders import by_stem
from napari_medseg.engine.scaling import scale_to_unit
from napari_medseg.io.errors import ReadError

LONGEST_SIDE = 256
"""Images are held at most this large; twice the training size leaves room for crops."""

LEVELS = 3
"""Sizes in the image pyramid, each half of the one before, so that sampling does not alias."""


class TaskFolderError(ValueError):
    """A folder that cannot be read as a task; the message says what to change."""


@dataclass(frozen=True)
class Pair:
    """One image with its index mask.

    Attributes
    ----------
    pyramid
        The image at full, half and quarter size: float32 (C, H, W), C is 1 or 3, scaled to [0, 1]
        by the same robust range as in the app.
    labels
        Class indices, uint8 (H, W), 0 is background.
    """

    name: str
    pyramid: tuple[Tensor, ...]
    labels: np.ndarray


@dataclass(frozen=True)
class ImageTask:
    """All pairs of one folder and the classes that occur in them.

    Attributes
    ----------
    holders
        For each class index the positions of the pairs that contain it.
    """

    name: str
    pairs: tuple[Pair, ...]
    holders: dict[int, tuple[int, ...]]

    @property
    def channels(self) -> int:
        """Channels of the images: 1 or 3, the same for the whole task."""
        return int(self.pairs[0].pyramid[0].shape[0])

    @property
    def classes(self) -> tuple[int, ...]:
        """Class indices, ascending."""
        return tuple(sorted(self.holders))


def read_task(folder: Path, *, minimum_pairs: int = 3) -> ImageTask:
    """Read `folder/images` and `folder/masks` (equal stems) into memory.

    Classes that occur in fewer than `minimum_pairs` pairs are left out: they cannot give a
    query and a support set.

    Raises
    ------
    TaskFolderError
        When a part is missing or cannot be read, sizes differ or no class is left.
    """
    images, masks = _by_stem(folder / "images"), _by_stem(folder / "masks")
    if not images:
        raise TaskFolderError(f"{folder} holds no images; expected files in {folder / 'images'}.")
    missing = sorted(set(images) ^ set(masks))
    if missing:
        raise TaskFolderError(
            f"In {folder} these names have an image or a mask, but not both: {missing[:5]}."
        )
    names = sorted(images)
    planes = [_read_plane(images[n]) for n in names]
    colour = any(len(plane) == 3 for plane in planes)
    pairs = []
    for name, plane in zip(names, planes, strict=True):
        labels = _read_labels(masks[name])
        if labels.max(initial=0) > 255:
            raise TaskFolderError(
                f"The mask {masks[name]} holds the value {labels.max()}; classes are numbered up "
                "to 255."
            )
        if labels.shape != plane.shape[1:]:
            raise TaskFolderError(
                f"The mask {masks[name]} has shape {labels.shape}, its image {plane.shape[1:]}; "
                "masks are single-channel index images of the same size."
            )
        pairs.append(_pair(name, plane, labels, colour))
    holders: dict[int, list[int]] = {}
    for position, pair in enumerate(pairs):
        for value in np.unique(pair.labels):
            if value:
                holders.setdefault(int(value), []).append(position)
    kept = {c: tuple(p) for c, p in holders.items() if len(p) >= minimum_pairs}
    if not kept:
        raise TaskFolderError(
            f"No class of {folder} occurs in {minimum_pairs} or more masks; paint more examples."
        )
    return ImageTask(folder.name, tuple(pairs), kept)


def read_tasks(folder: Path) -> list[ImageTask]:
    """Read every task folder below `folder`, in order of name.

    Raises
    ------
    TaskFolderError
        When there is none, or one cannot be read.
    """
    if not Path(folder).is_dir():
        raise TaskFolderError(f"{folder} is no folder; give the folder that holds those of tasks.")
    folders = sorted(f for f in Path(folder).iterdir() if (f / "images").is_dir())
    if not folders:
        raise TaskFolderError(f"{folder} holds no folders with images/ and masks/ inside.")
    return [read_task(f) for f in folders]


def divided(
    tasks: Sequence[ImageTask], left_out: Collection[str]
) -> tuple[list[ImageTask], list[ImageTask]]:
    """Give the tasks to learn from, and those named in `left_out`, which are only watched.

    Raises
    ------
    TaskFolderError
        When there is none of a name, or none is left to learn from.
    """
    unknown = sorted(set(left_out) - {task.name for task in tasks})
    if unknown:
        raise TaskFolderError(f"There is no task named {', '.join(unknown)} (data.leave_out).")
    learned = [task for task in tasks if task.name not in left_out]
    if not learned:
        raise TaskFolderError("All tasks are left out (data.leave_out); keep one to learn from.")
    return learned, [task for task in tasks if task.name in left_out]


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    found, twice = by_stem(folder)
    if twice:
        raise TaskFolderError(f"In {folder} {twice[0].sentence}")
    return found


def _read_labels(path: Path) -> np.ndarray:
    """Read class indices; a mask of 0 and 255 alone holds class 1."""
    try:
        return read_mask(path).labels
    except ReadError as error:
        raise TaskFolderError(f"The mask {path} cannot be read. {error}") from error


def _read_plane(path: Path) -> np.ndarray:
    """Read an image as the app does: (1, H, W) or (3, H, W), of any number type."""
    try:
        plane, _ = read_channels(path)
    except ReadError as error:
        raise TaskFolderError(f"The image {path} cannot be read. {error}") from error
    if plane.ndim == 4 and plane.shape[1] == 1:  # a stack of one plane
        plane = plane[:, 0]
    if plane.ndim != 3:
        raise TaskFolderError(f"The image {path} is no single plane; save each of them as a file.")
    return plane


def _pair(name: str, plane: np.ndarray, labels: np.ndarray, colour: bool) -> Pair:
    if colour and len(plane) == 1:
        plane = np.repeat(plane, 3, axis=0)
    image = torch.from_numpy(scale_to_unit(plane))
    shrink = LONGEST_SIDE / max(labels.shape)
    if shrink < 1:
        size = [max(1, round(n * shrink)) for n in labels.shape]
        image = _resize(image, size)
        rows, columns = (
            np.minimum((np.arange(n) + 0.5) / shrink, m - 1).astype(int)
            for n, m in zip(size, labels.shape, strict=True)
        )
        labels = labels[np.ix_(rows, columns)]
    pyramid = [image]
    for _ in range(LEVELS - 1):
        pyramid.append(_resize(pyramid[-1], [max(8, n // 2) for n in pyramid[-1].shape[1:]]))
    return Pair(name, tuple(pyramid), np.ascontiguousarray(labels.astype(np.uint8)))


def _resize(image: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(
        image[None], size=size, mode="bilinear", align_corners=False, antialias=True
    )[0].clamp(0, 1)
