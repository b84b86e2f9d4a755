"""Support sets as folders that a colleague can use on another patient.

``images/001.png|tif`` and ``masks/001.png`` hold the planes as they were added, without loss, and
``support.json`` the names of the classes, the range of values of each example, and what wrote it;
``adaptation.safetensors`` the nets that were adapted to them, if they were kept.
Names of examples, paths and layers are not written: they may hold a patient's name. A folder of
the same form without the JSON, with any file names, can be read, too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medseg.engine.by_example.adapt.files import FILE as ADAPTATION
from napari_medseg.engine.by_example.adapt.files import read_adaptation, write_adaptation
from napari_medseg.engine.by_example.support import SupportError, SupportExample, SupportSet
from napari_medseg.io.atomic import atomic_folder
from napari_medseg.io.images import read_image
from napari_medseg.io.labels import read_labels, write_labels

JSON_FILE = "support.json"
IMAGES, MASKS = "images", "masks"
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
MASK_SUFFIXES = (".png", ".bmp", ".tif", ".tiff")
FORMAT = "napari-medseg support set"
VERSION = 1
MOST_VALUES = 64
"""A mask folder with more different values than this holds pictures, not class numbers."""


def save_support(support: SupportSet, path: str | os.PathLike[str]) -> Path:
    """Write a support set; a set that was there before is replaced as a whole, or not at all.

    Parameters
    ----------
    support : SupportSet
        At least one example.
    path : path-like
        A new or empty folder, or one that holds a support set and nothing else.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    SupportError
        If there is no example.
    SaveError
        If the folder could not be written, does not read back, or holds other things.
    """
    if not len(support):
        raise SupportError("There is no example to save: add one first.")
    return atomic_folder(
        path,
        lambda folder: _write(support, folder),
        lambda folder: _compare(support, folder),
        may_replace=is_support_folder,
    )


def load_support(path: str | os.PathLike[str]) -> SupportSet:
    """Read a support set.

    Without ``support.json``, images and masks are paired by their names before the suffix; mask
    values that do not run from 0 without gaps (0, 128, 255) are numbered in their order. Adapted
    nets that cannot be used are left out, and `SupportSet.adaptation_problem` says why.

    Parameters
    ----------
    path : path-like
        The folder.

    Returns
    -------
    SupportSet

    Raises
    ------
    SupportError
        If the folder is no support set, names are not paired, sizes differ, or a mask is empty.
    ReadError
        If a file is damaged.
    """
    folder = Path(path)
    if not (folder / IMAGES).is_dir() or not (folder / MASKS).is_dir():
        raise SupportError(
            f"{folder.name!r} is no support set: choose a folder that holds the folders images "
            "and masks."
        )
    if (folder / JSON_FILE).exists():
        return _load_described(folder)
    return _load_plain(folder)


def is_support_folder(folder: Path) -> bool:
    """Say whether a folder was written by `save_support` and holds nothing else."""
    try:
        _read_json(folder)
        return {entry.name for entry in folder.iterdir()} <= {
            JSON_FILE,
            IMAGES,
            MASKS,
            ADAPTATION,
        }
    except (SupportError, OSError):
        return False


def _write(support: SupportSet, folder: Path) -> None:
    from napari_medseg import __version__

    (folder / IMAGES).mkdir()
    (folder / MASKS).mkdir()
    entries = []
    for number, example in enumerate(support, start=1):
        image = f"{number:03d}{_suffix_for(example.image)}"
        mask = f"{number:03d}.png"
        _write_image(folder / IMAGES / image, example)
        write_labels(folder / MASKS / mask, example.mask, class_names=support.class_names)
        limits = None if example.value_range is None else list(example.value_range)
        entries.append(
            {
                "image": image,
                "mask": mask,
                "dtype": example.image.dtype.name,
                "value_range": limits,
            }
        )
    content = {
        "format": FORMAT,
        "version": VERSION,
        "software": f"napari-medseg {__version__}",
        "content_sha256": support.content_hash,
        "class_names": list(support.class_names),
        "examples": entries,
    }
    adaptation = support.adaptation
    if adaptation is not None and adaptation.support_sha256 == support.examples_hash:
        content["adaptation"] = write_adaptation(adaptation, folder)
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (folder / JSON_FILE).write_text(text, encoding="utf-8")


def _compare(support: SupportSet, folder: Path) -> None:
    read = load_support(folder)
    if read.content_hash != support.content_hash:
        raise SupportError("the examples are not the same")
    if read.adaptation_problem:
        raise SupportError("the nets adapted to them are not the same")


def _suffix_for(image: NDArray[Any]) -> str:
    """PNG keeps 8-bit colours and 8- and 16-bit greys; TIFF keeps all else."""
    fits_png = image.dtype == np.uint8 or (image.dtype == np.uint16 and image.ndim == 2)
    return ".png" if fits_png else ".tif"


def _write_image(path: Path, example: SupportExample) -> None:
    if path.suffix == ".png":
        from PIL import Image

        Image.fromarray(example.image).save(path)
        return
    import tifffile

    photometric = "rgb" if example.is_rgb else "minisblack"
    tifffile.imwrite(path, example.image, photometric=photometric, metadata=None)


def _read_json(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / JSON_FILE).read_text(encoding="utf-8"))
        known = content["format"] == FORMAT and isinstance(content["examples"], list)
        names = content["class_names"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SupportError(
            f"{JSON_FILE} in {folder.name!r} is damaged or of another kind."
        ) from error
    if not known or not names or not all(isinstance(name, str) for name in names):
        raise SupportError(f"{JSON_FILE} in {folder.name!r} is damaged or of another kind.")
    if content.get("version", 0) > VERSION:
        raise SupportError("This support set was written by a later version: update napari-medseg.")
    return dict(content)


def _load_described(folder: Path) -> SupportSet:
    content = _read_json(folder)
    support = SupportSet(class_names=content["class_names"])
    for number, entry in enumerate(content["examples"], start=1):
        try:
            names = (str(entry["image"]), str(entry["mask"]))
            limits = entry["value_range"]
            value_range = None if limits is None else (float(limits[0]), float(limits[1]))
            dtype = np.dtype(str(entry["dtype"]))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise SupportError(f"Example {number} in {JSON_FILE} is not complete.") from error
        if any(Path(name).name != name for name in names):
            raise SupportError(f"Example {number} in {JSON_FILE} lies outside of the folder.")
        # Readers may widen rare types such as float16; the values are the same.
        image = _read_plane(folder / IMAGES / names[0]).astype(dtype, copy=False)
        mask = read_labels(folder / MASKS / names[1]).labels
        _add(support, names[0], image, mask, f"No. {number}", value_range)
    if content.get("adaptation") is not None:
        try:
            support.adaptation = read_adaptation(content["adaptation"], folder)
        except SupportError as error:
            support.adaptation_problem = str(error)
    return support


def _load_plain(folder: Path) -> SupportSet:
    images = _by_stem(folder / IMAGES, IMAGE_SUFFIXES)
    masks = _by_stem(folder / MASKS, MASK_SUFFIXES)
    lonely = sorted(images.keys() ^ masks.keys())
    if lonely:
        shown = ", ".join(lonely[:3]) + (" ..." if len(lonely) > 3 else "")
        raise SupportError(
            f"Every image needs a mask of the same name, every mask an image; alone are: {shown}."
        )
    if not images:
        raise SupportError(f"There are no images in {folder.name!r} that can be read.")
    stems = sorted(images)
    planes, values = _class_numbers([masks[stem] for stem in stems])
    names = ["background"] + [f"class {value}" for value in values[1:]]
    support = SupportSet(class_names=names)
    for stem, mask in zip(stems, planes, strict=True):
        _add(support, images[stem].name, _read_plane(images[stem]), mask, stem, None)
    return support


def _add(
    support: SupportSet,
    file: str,
    image: NDArray[Any],
    mask: NDArray[Any],
    name: str,
    value_range: tuple[float, float] | None,
) -> None:
    try:
        support.add(image, mask, name=name, value_range=value_range)
    except SupportError as error:
        raise SupportError(f"Example {file}: {error}") from error


def _by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        if file.name.startswith(".") or not file.name.lower().endswith(tuple(suffixes)):
            continue
        if file.stem in found:
            raise SupportError(
                f"Two files in {folder.name!r} are named {file.stem!r}; keep one of them."
            )
        found[file.stem] = file
    return found


def _read_plane(file: Path) -> NDArray[Any]:
    image = read_image(file)
    if image.geometry.ndim != 2:
        raise SupportError(f"{file.name} holds a volume; an example is a single plane.")
    return image.data


def _class_numbers(files: Sequence[Path]) -> tuple[list[NDArray[Any]], list[int]]:
    """Give masks whose values run from 0 without gaps over all files, and the values in them."""
    masks = [np.asarray(read_labels(file).labels) for file in files]
    values = _values(masks)
    if values != list(range(len(values))) and 255 in values:
        # Read alone, a mask of 0 and 255 is one class; beside other values 255 is a value as well.
        masks = [np.asarray(read_labels(file, as_stored=True).labels) for file in files]
        values = _values(masks)
    if len(values) > MOST_VALUES:
        raise SupportError(
            f"The masks hold {len(values)} different values: they look like pictures; save them as "
            "class numbers 0, 1, 2 ..."
        )
    if values == list(range(len(values))):
        return masks, values
    return [np.searchsorted(values, mask).astype(np.uint8) for mask in masks], values


def _values(masks: Sequence[NDArray[Any]]) -> list[int]:
    return sorted({0}.union(*(np.unique(mask).tolist() for mask in masks)))
