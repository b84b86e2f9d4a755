"""The same data in every convention gives the same arrays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg_training.data.dataset import Dataset, DatasetError, patient_of, read_dataset
from medseg_training.data.files import load_case
from medseg_training.data.planes import load_planes
from medseg_training.data.splits import folds_of
from napari_medseg.zoo.specs import InputSpec

from . import small

WRITERS = {
    "folders": small.folders,
    "nnunet": small.nnunet,
    "decathlon": small.decathlon,
    "slices": small.synapse,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_convention_gives_the_same_arrays(
    kind: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    dataset = read_dataset(WRITERS[kind](tmp_path / "data"))
    assert dataset.kind == kind
    assert len(dataset.class_names) == 3
    for name, (image, labels) in small.arrays().items():
        loaded = load_case(dataset, dataset.case(name))
        with subtests.test(name):
            assert np.array_equal(np.squeeze(loaded.image), image)
            assert loaded.labels is not None
            assert np.array_equal(np.squeeze(loaded.labels), labels)
            assert dataset.case(name).patient == name.split("_")[0]


def test_planes_of_every_convention_are_equal(tmp_path: Path) -> None:
    found = []
    for kind, write in WRITERS.items():
        dataset = read_dataset(write(tmp_path / kind))
        planes = load_planes(dataset, sorted(small.arrays()), InputSpec((16, 16)))
        found.append(planes)
    for planes in found[1:]:
        assert [plane.case for plane in planes] == [plane.case for plane in found[0]]
        for plane, first in zip(planes, found[0], strict=True):
            assert np.array_equal(plane.image, first.image)
            assert np.array_equal(plane.labels, first.labels)


def test_volumes_to_test_on_are_held_out(tmp_path: Path) -> None:
    dataset = read_dataset(small.synapse(tmp_path))
    assert dataset.test == ("case9000",)
    assert "case9000" not in [case.name for case in dataset.trainable]
    volume = load_case(dataset, dataset.case("case9000"))
    assert volume.image.shape == (1, 6, *small.SHAPE)


def test_a_split_may_hold_out_slices_as_well(tmp_path: Path) -> None:
    small.synapse(tmp_path)
    name = min(small.arrays())
    (tmp_path / "split.json").write_text(json.dumps({"test": [name]}))
    dataset = read_dataset(tmp_path)
    assert dataset.test == (name, "case9000")
    assert name not in [case.name for case in dataset.trainable]


def test_files_of_one_name_in_folders_of_their_patients_are_told_apart(tmp_path: Path) -> None:
    small.decathlon(tmp_path)
    content = json.loads((tmp_path / "dataset.json").read_text())
    for number, entry in enumerate(content["training"]):
        for key, name in (("image", "t1.nii.gz"), ("label", "seg.nii.gz")):
            target = tmp_path / f"p{number}" / name
            target.parent.mkdir(exist_ok=True)
            shutil.move(tmp_path / entry[key], target)
            entry[key] = f"p{number}/{name}"
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    dataset = read_dataset(tmp_path)
    assert [case.name for case in dataset.cases] == [f"p{n}_t1" for n in range(6)]
    assert len({case.patient for case in dataset.cases}) == 6
    content["training"].append(content["training"][0])
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="Two cases are named 't1'; list it once"):
        read_dataset(tmp_path)


def test_without_h5py_a_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = read_dataset(small.synapse(tmp_path))
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ValueError, match="pip install h5py"):
        load_case(dataset, dataset.case("case9000"))


@pytest.mark.parametrize(
    ("factor", "values"), [(1, ()), (127, (0, 127, 254))], ids=["indices", "grey values"]
)
def test_masks_of_any_values_become_indices(
    factor: int, values: tuple[int, ...], tmp_path: Path
) -> None:
    dataset = read_dataset(small.folders(tmp_path, factor=factor))
    assert dataset.label_values == values
    for name, (_, labels) in small.arrays().items():
        assert np.array_equal(load_case(dataset, dataset.case(name)).labels, labels)


def test_a_mask_of_0_and_255_beside_others_keeps_its_value(tmp_path: Path) -> None:
    (_, labels), *_ = small.arrays().values()
    image = labels * np.uint8(50)
    for name, mask in {"a": (labels == 1) * 255, "b": np.array([0, 128, 255])[labels]}.items():
        small.save_picture(tmp_path / "images" / f"{name}.png", image)
        small.save_picture(tmp_path / "masks" / f"{name}.png", mask.astype(np.uint8))
    dataset = read_dataset(tmp_path)
    assert dataset.label_values == (0, 128, 255)
    alone = load_case(dataset, dataset.case("a")).labels
    assert alone is not None
    assert np.array_equal(alone == 2, labels == 1)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_masks_with_a_palette_hold_its_places(tmp_path: Path, suffix: str) -> None:
    (_, labels), *_ = small.arrays().values()
    masks = {"a": labels == 1, "b": np.array([0, 1, 255])[labels]}
    for name, mask in masks.items():
        small.save_picture(tmp_path / "images" / f"{name}.png", labels * np.uint8(50))
        (tmp_path / "masks").mkdir(exist_ok=True)
        picture = Image.fromarray(mask.astype(np.uint8))
        picture.putpalette([0, 0, 0, 128, 0, 0] + [224, 224, 192] * 254)
        picture.save(tmp_path / "masks" / f"{name}{suffix}")
    dataset = read_dataset(tmp_path)
    assert dataset.label_values == (0, 1, 255)
    for name, expected in {"a": labels == 1, "b": labels}.items():
        assert np.array_equal(load_case(dataset, dataset.case(name)).labels, expected)


def test_jpeg_masks_are_cut_at_half(tmp_path: Path) -> None:
    (image, labels), *_ = small.arrays().values()
    small.save_picture(tmp_path / "images" / "a.jpg", image)
    small.save_picture(tmp_path / "masks" / "a.jpg", (labels > 0).astype(np.uint8) * np.uint8(255))
    dataset = read_dataset(tmp_path)
    assert dataset.class_names == ("background", "class 1")
    found = load_case(dataset, dataset.case("a")).labels
    assert found is not None
    assert (found == (labels > 0)).mean() > 0.97


def _condseg(root: Path) -> Path:
    small.folders(root)
    names = sorted(small.arrays())
    (root / "train.txt").write_text("\n".join(names[:4]))
    (root / "val.txt").write_text("\n".join(f"{name}.png" for name in names[4:]) + "\n")
    return root


def _uctransnet(root: Path) -> Path:
    for i, (name, (image, labels)) in enumerate(small.arrays().items()):
        folder = root / ("Train_Folder" if i < 4 else "Val_Folder")
        small.save_picture(folder / "img" / f"{name}.png", image)
        small.save_picture(folder / "labelcol" / f"{name}.png", (labels > 0) * np.uint8(255))
    return root


def _split_json(root: Path) -> Path:
    small.folders(root)
    names = sorted(small.arrays())
    content = {"train": names[:4], "val": names[4:], "patients": {name: name for name in names}}
    (root / "split.json").write_text(json.dumps(content))
    return root


def _splits_final(root: Path) -> Path:
    small.folders(root)
    names = sorted(small.arrays())
    content = [{"train": names[:4], "val": names[4:]}]
    (root / "splits_final.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize("write", [_condseg, _uctransnet, _split_json, _splits_final])
def test_ready_divisions_are_used_as_they_are(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    names = sorted(small.arrays())
    (fold,) = folds_of(read_dataset(write(tmp_path)))
    assert (list(fold.train), list(fold.val)) == (names[:4], names[4:])


def test_equal_names_in_two_parts_stay_two_cases(tmp_path: Path) -> None:
    small.folders(tmp_path / "train", 2)
    small.folders(tmp_path / "test", 2)
    dataset = read_dataset(tmp_path)
    assert len(dataset.cases) == 4
    assert len(dataset.test) == 2
    assert all(name.startswith("test_") for name in dataset.test)


@pytest.mark.parametrize(
    "labels", [small.CLASSES, {"1": "disc", "2": "square"}], ids=["by name", "by value"]
)
def test_classes_and_spacing_come_from_the_description(
    labels: dict[str, object], tmp_path: Path
) -> None:
    small.folders(tmp_path)
    content = {"name": "Discs", "labels": labels, "spacing": [0.5, 0.25]}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    dataset = read_dataset(tmp_path)
    assert dataset.class_names == ("background", "disc", "square")
    assert load_case(dataset, dataset.cases[0]).spacing == (0.5, 0.25)


def test_colour_is_noticed(tmp_path: Path) -> None:
    dataset = read_dataset(small.folders(tmp_path, colour=True))
    assert dataset.channel_names == ("red", "green", "blue")
    (plane,) = load_planes(dataset, [dataset.cases[0].name], InputSpec((16, 16), channels=3))
    assert plane.image.shape == (3, 16, 16)


def test_nnunet_channels_are_put_together(tmp_path: Path) -> None:
    for name, (image, labels) in small.arrays(2, colour=True).items():
        for channel in range(3):
            file = tmp_path / "imagesTr" / f"{name}_{channel:04d}.png"
            small.save_picture(file, np.ascontiguousarray(image[..., channel]))
        small.save_picture(tmp_path / "labelsTr" / f"{name}.png", labels)
    content = {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": small.CLASSES,
        "file_ending": ".png",
    }
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    dataset = read_dataset(tmp_path)
    name, (image, _) = next(iter(small.arrays(2, colour=True).items()))
    assert np.array_equal(np.moveaxis(load_case(dataset, dataset.case(name)).image, 0, -1), image)


def test_claims_of_the_description_of_nnunet_are_checked(tmp_path: Path) -> None:
    root = small.nnunet(tmp_path / "data")
    assert read_dataset(root).findings == ()
    content = json.loads((root / "dataset.json").read_text())
    content["numTraining"] = 60
    del content["labels"]["background"]
    (root / "dataset.json").write_text(json.dumps(content))
    number, background = read_dataset(root).findings
    assert number.sentence == "dataset.json says that there are 60 training cases, found 6."
    assert "no 'background'" in background.sentence
    assert {number.severity, background.severity} == {"warning"}


def test_the_folder_that_the_app_writes_is_read(tmp_path: Path) -> None:
    from napari_medseg.io.formats.nnunet import NnunetCase, nnunet_steps
    from napari_medseg.io.geometry import Geometry
    from napari_medseg.io.steps import finish

    (image, labels), *_ = small.arrays().values()
    volume = np.stack([image, image[::-1]])
    masks = np.stack([labels, labels[::-1]])
    case = NnunetCase("one", volume, False, masks, Geometry((3.0, 0.5, 0.5), units="mm"))
    dataset = read_dataset(finish(nnunet_steps(tmp_path / "Dataset001_Own", case)))
    loaded = load_case(dataset, dataset.case("one"))
    assert loaded.labels is not None
    assert np.array_equal(loaded.image[0], volume)
    assert np.array_equal(loaded.labels, masks)
    assert loaded.spacing == (3.0, 0.5, 0.5)


def _empty(root: Path) -> Dataset:
    return read_dataset(root)


def _regions(root: Path) -> Dataset:
    small.nnunet(root)
    content = json.loads((root / "dataset.json").read_text())
    content["labels"]["whole"] = [1, 2]
    (root / "dataset.json").write_text(json.dumps(content))
    return read_dataset(root)


def _pictures_as_masks(root: Path) -> Dataset:
    small.folders(root)
    shutil.rmtree(root / "masks")
    gradient = np.arange(24 * 32).reshape(24, 32) % 200
    for name in small.arrays():
        small.save_picture(root / "masks" / f"{name}.png", gradient.astype(np.uint8))
    return read_dataset(root)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (_empty, "is no data set: expected images/ and masks/"),
        (_regions, "is a region of several values"),
        (_pictures_as_masks, "they look like pictures"),
    ],
)
def test_what_is_no_data_set_is_refused_in_a_sentence(
    make: Callable[[Path], Dataset], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=sentence):
        make(tmp_path)


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("case0005_slice012", "case0005"),
        ("patient001_frame01", "patient001"),
        ("case_001_sliceED_0", "case_001"),
        ("case_001_volume_ED", "case_001"),
        ("CHNCXR_0001_0", "CHNCXR_0001_0"),
        ("image_slice_3", "image_slice_3"),
    ],
)
def test_names_tell_the_patient(name: str, patient: str) -> None:
    assert patient_of(name) == patient
