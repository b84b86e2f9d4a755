"""Small data sets in every convention, made from the same arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHAPE = (24, 32)
CLASSES = {"background": 0, "disc": 1, "square": 2}


def arrays(n: int = 6, colour: bool = False) -> dict[str, tuple[NDArray[Any], NDArray[np.uint8]]]:
    """Images in 8 bits with masks of a disc and a square, by name."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    found = {}
    for i in range(n):
        y, x = rng.integers(8, 16, 2)
        labels = np.zeros(SHAPE, np.uint8)
        labels[(rows - y) ** 2 + (columns - x) ** 2 < 4 + 6 * i] = 1
        labels[1:5, 24:30] = 2
        image = np.clip(40 + 80 * labels + rng.normal(0, 5, SHAPE), 0, 255).astype(np.uint8)
        if colour:
            image = np.stack([image, image // 2, 255 - image], -1)
        found[f"case{i:04d}_slice{i:03d}"] = image, labels
    return found


def save_picture(file: Path, array: NDArray[Any]) -> None:
    """Write a PNG or a JPEG, making its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(file)


def save_nifti(file: Path, array: NDArray[Any], spacing: float = 1.0) -> None:
    """Write (Z, Y, X) or (Y, X) so that the app reads it back in this order."""
    file.parent.mkdir(parents=True, exist_ok=True)
    volume = array if array.ndim == 3 else array[None]
    # The app's order is (z, y, x) with y to anterior and x to the right, which is NIfTI's RAS.
    nibabel.save(nibabel.Nifti1Image(volume.T, np.diag([spacing] * 3 + [1])), file)


def folders(root: Path, n: int = 6, *, colour: bool = False, factor: int = 1) -> Path:
    """Write `images` and `masks`; mask values are class numbers times `factor`."""
    for name, (image, labels) in arrays(n, colour).items():
        save_picture(root / "images" / f"{name}.png", image)
        save_picture(root / "masks" / f"{name}.png", labels * np.uint8(factor))
    return root


def nnunet(root: Path, n: int = 6) -> Path:
    """Write an nnU-Net data set without a list of its cases."""
    for name, (image, labels) in arrays(n).items():
        save_nifti(root / "imagesTr" / f"{name}_0000.nii.gz", image)
        save_nifti(root / "labelsTr" / f"{name}.nii.gz", labels)
    content = {
        "channel_names": {"0": "MRI"},
        "labels": CLASSES,
        "numTraining": n,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def decathlon(root: Path, n: int = 6) -> Path:
    """Write a Decathlon data set."""
    training = []
    for name, (image, labels) in arrays(n).items():
        save_nifti(root / "imagesTr" / f"{name}.nii.gz", image)
        save_nifti(root / "labelsTr" / f"{name}.nii.gz", labels)
        training.append(
            {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
        )
    content = {
        "name": "Small",
        "modality": {"0": "MRI"},
        "labels": {str(value): name for name, value in CLASSES.items()},
        "training": training,
        "test": [],
    }
    (root / "dataset.json").write_text(json.dumps(content))
    return root


def synapse(root: Path, n: int = 6) -> Path:
    """Write slices with lists, the last two of them as volumes to test on."""
    import h5py

    train, test = root / "train_npz", root / "test_vol_h5"
    lists = root / "lists" / "lists_Small"
    for folder in (train, test, lists):
        folder.mkdir(parents=True)
    found = arrays(n)
    for name, (image, labels) in found.items():
        np.savez(train / f"{name}.npz", image=image, label=labels.astype(np.float32))
    with h5py.File(test / "case9000.npy.h5", "w") as file:
        file["image"] = np.stack([image for image, _ in found.values()])
        file["label"] = np.stack([labels for _, labels in found.values()])
    (lists / "train.txt").write_text("\n".join(found))
    (lists / "test_vol.txt").write_text("case9000\n")
    (lists / "all.lst").write_text("case9000.npy.h5\n")
    return root
