from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_medseg.session.training.open_cases import dataset_job, painted, painted_pairs


def _viewer(*shapes: tuple[int, ...], planes: tuple[int, ...] = ()) -> ViewerModel:
    viewer = ViewerModel()
    rng = np.random.default_rng(0)
    for shape in shapes:
        viewer.add_image(rng.random(shape, dtype=np.float32), scale=(2.0, 0.5, 0.5)[-len(shape) :])
        labels = np.zeros(shape, np.uint8)
        if len(shape) == 3:
            labels[list(planes), 2:5, 2:5] = 1
        else:
            labels[2:5, 2:5] = 2
        viewer.add_labels(labels, scale=(2.0, 0.5, 0.5)[-len(shape) :])
    return viewer


def _written(viewer: ViewerModel, folder: Path) -> Path:
    pairs = [painted(image, labels, viewer.dims) for image, labels in painted_pairs(viewer.layers)]
    list(dataset_job(pairs, folder))
    return folder


def test_each_image_goes_with_the_labels_of_its_size(tmp_path: Path) -> None:
    viewer = _viewer((8, 9), (12, 10))
    viewer.add_labels(np.zeros((12, 10), int), name="nothing painted")
    pairs = painted_pairs(viewer.layers)
    assert [image.data.shape for image, _ in pairs] == [(8, 9), (12, 10)]
    assert all(labels.name != "nothing painted" for _, labels in pairs)
    folder = _written(viewer, tmp_path / "Dataset001_Open")
    split = json.loads((folder / "splits_final.json").read_text("utf-8"))
    assert split == [{"train": ["case_01"], "val": ["case_02"]}]
    assert sorted(p.name for p in (folder / "labelsTr").iterdir()) == [
        "case_01.nii.gz",
        "case_02.nii.gz",
    ]


def test_of_one_volume_the_painted_planes_are_split_in_two_blocks(tmp_path: Path) -> None:
    viewer = _viewer((12, 8, 9), planes=(1, 2, 3, 7, 8, 9))
    folder = _written(viewer, tmp_path / "Dataset001_Open")
    first = nibabel.load(folder / "imagesTr" / "case_01_a_0000.nii.gz")
    second = nibabel.load(folder / "labelsTr" / "case_01_b.nii.gz")
    image = np.asarray(viewer.layers[0].data)
    np.testing.assert_array_equal(first.get_fdata().T, image[[1, 2, 3, 7, 8]])
    assert second.shape == (9, 8, 1)
    np.testing.assert_allclose(first.header.get_zooms(), (0.5, 0.5, 2.0))


def test_a_single_plane_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="too little to train on"):
        _written(_viewer((8, 9)), tmp_path / "Dataset001_Open")
    with pytest.raises(ValueError, match="at least one more"):
        _written(_viewer((6, 8, 9), planes=(4,)), tmp_path / "Dataset001_Open")
