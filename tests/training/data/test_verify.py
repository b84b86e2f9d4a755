"""All that is wrong with a data set is told at once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medseg_training.__main__ import main
from medseg_training.data.dataset import DatasetError, read_dataset
from medseg_training.data.files import load_case
from medseg_training.data.verify import Problem, verify_dataset
from napari_medseg.engine.results import finished

from . import small


def problems(root: Path) -> list[Problem]:
    """Everything that is wrong with the data set in a folder."""
    return finished(verify_dataset(read_dataset(root)))


@pytest.mark.parametrize("write", [small.folders, small.nnunet, small.decathlon])
def test_nothing_is_said_about_a_sound_data_set(write: object, tmp_path: Path) -> None:
    assert callable(write)
    assert problems(write(tmp_path)) == []


def test_a_damaged_file_of_image_and_mask_is_told_once(tmp_path: Path) -> None:
    root = small.synapse(tmp_path / "data")
    file = sorted(root.rglob("*.npz"))[0]
    file.write_bytes(file.read_bytes()[:-300])
    told = [p for p in problems(root) if file.name in p.sentence]
    assert [p.sentence for p in told] == [
        f"{file.name} is no .npz file; get it again from where it came."
    ]


def test_progress_comes_after_every_case(tmp_path: Path) -> None:
    steps = list(verify_dataset(read_dataset(small.folders(tmp_path))))
    assert [step.done for step in steps] == list(range(1, 7))


def test_every_case_with_a_mistake_is_named(tmp_path: Path) -> None:
    small.folders(tmp_path, 12)
    names = sorted(small.arrays(12))
    images, masks = tmp_path / "images", tmp_path / "masks"
    content = {"labels": small.CLASSES}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    (masks / f"{names[0]}.png").unlink()
    (images / f"{names[1]}.png").write_bytes(b"")
    (images / f"{names[2]}.png").write_bytes((images / f"{names[3]}.png").read_bytes()[:60])
    small.save_picture(masks / f"{names[3]}.png", np.ones((9, 9), np.uint8))
    small.save_picture(masks / f"{names[4]}.png", np.full(small.SHAPE, 7, np.uint8))
    small.save_picture(masks / f"{names[5]}.png", np.zeros(small.SHAPE, np.uint8))
    small.save_picture(images / f"{names[6]}.png", np.full(small.SHAPE, 80, np.uint8))
    shutil.copy(images / f"{names[7]}.png", images / f"{names[8]}.png")
    small.save_picture(masks / "Müller 1.png", np.zeros(small.SHAPE, np.uint8))
    found = "\n".join(f"{p.severity} {p}" for p in problems(tmp_path))
    for expected in (
        f"warning {names[0]} has no mask",
        f"error {names[1]}: {names[1]}.png is empty (0 bytes)",
        f"error {names[2]}: {names[2]}.png cannot be read",
        f"error {names[3]}: The image has the size 24 × 32, its mask 9 × 9",
        f"error {names[4]}: Its mask holds values that no class has: 7",
        f"warning {names[5]}: Its mask is empty",
        f"error {names[6]}: All pixels of the image are equal",
        f"warning 2 cases are one picture; keep one of them: {names[7]}, {names[8]}",
        "warning The mask Müller 1.png belongs to no image",
    ):
        assert expected in found, found
    assert len(found.splitlines()) == 9


def test_a_mask_on_another_grid_is_told(tmp_path: Path) -> None:
    small.nnunet(tmp_path)
    names = sorted(small.arrays())
    _, labels = small.arrays()[names[0]]
    small.save_nifti(tmp_path / "labelsTr" / f"{names[0]}.nii.gz", labels, spacing=2.0)
    file = tmp_path / "labelsTr" / f"{names[1]}.nii.gz"
    moved = np.eye(4)
    moved[0, 3] = 5.0
    data = np.asarray(nibabel.load(file).dataobj)
    nibabel.save(nibabel.Nifti1Image(data, moved), file)
    first, second = problems(tmp_path)
    assert (first.case, first.severity) == (names[0], "error")
    assert "has the spacing 1 × 1 × 1 mm, its mask 2 × 2 × 2 mm" in first.sentence
    assert (second.case, second.severity) == (names[1], "warning")
    assert "lie in different places" in second.sentence


def test_not_a_number_is_told(tmp_path: Path) -> None:
    small.nnunet(tmp_path)
    name = min(small.arrays())
    image = np.ones(small.SHAPE, np.float32)
    image[0, :5], image[1, 0] = np.nan, 3
    small.save_nifti(tmp_path / "imagesTr" / f"{name}_0000.nii.gz", image)
    (found,) = problems(tmp_path)
    assert found.sentence.startswith("5 of its pixels are NaN or infinite")


def test_one_picture_on_both_sides_is_an_error(tmp_path: Path) -> None:
    small.folders(tmp_path)
    names = sorted(small.arrays())
    shutil.copy(tmp_path / "images" / f"{names[0]}.png", tmp_path / "images" / f"{names[5]}.png")
    (tmp_path / "split.json").write_text(json.dumps({"train": names[:4], "val": names[4:]}))
    (found,) = problems(tmp_path)
    assert found.severity == "error"
    assert "are one picture, on both sides of a split" in found.sentence


def test_images_of_several_kinds_are_not_colours(tmp_path: Path) -> None:
    small.nnunet(tmp_path)
    for name, (image, _) in small.arrays().items():
        for channel in (1, 2):
            small.save_nifti(tmp_path / "imagesTr" / f"{name}_{channel:04}.nii.gz", 255 - image)
    content = json.loads((tmp_path / "dataset.json").read_text())
    content["channel_names"] = {"0": "T1", "1": "T2", "2": "FLAIR"}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    dataset = read_dataset(tmp_path)
    (found,) = problems(tmp_path)
    assert found.severity == "error"
    assert "6 cases are several images each (T1, T2, FLAIR)" in found.sentence
    assert "Models take one image" in found.sentence
    with pytest.raises(DatasetError, match=r"is 3 images\. Models take one image"):
        load_case(dataset, dataset.cases[0])
    content["channel_names"] = {"0": "R", "1": "G", "2": "B"}
    (tmp_path / "dataset.json").write_text(json.dumps(content))
    assert problems(tmp_path) == []


def test_classes_without_names_are_called_by_their_values(tmp_path: Path) -> None:
    small.folders(tmp_path, factor=2)
    assert read_dataset(tmp_path).class_names == ("background", "class 2", "class 4")
    (found,) = problems(tmp_path)
    assert found.severity == "warning"
    assert "hold the values 0, 2, 4" in found.sentence
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {"disc": 2, "square": 4}}))
    assert problems(tmp_path) == []


def test_a_class_that_only_validation_shows_is_told(tmp_path: Path) -> None:
    small.folders(tmp_path)
    names = sorted(small.arrays())
    for name in names[:4]:
        _, labels = small.arrays()[name]
        small.save_picture(tmp_path / "masks" / f"{name}.png", labels * (labels < 2))
    (tmp_path / "split.json").write_text(json.dumps({"train": names[:4], "val": names[4:]}))
    (found,) = problems(tmp_path)
    assert found.severity == "warning"
    assert "Only cases to validate on show the class 'class 2'" in found.sentence


def test_all_patients_on_both_sides_are_told(tmp_path: Path) -> None:
    small.folders(tmp_path)
    names = sorted(small.arrays())
    patients = {name: f"P{i % 3}" for i, name in enumerate(names)}
    content = {"train": names[:3], "val": names[3:], "patients": patients}
    (tmp_path / "split.json").write_text(json.dumps(content))
    found = [p.sentence for p in problems(tmp_path) if p.severity == "error"]
    assert len(found) == 3
    assert found[0].startswith("Patient 'P0' is trained on and validated on in the split")


def test_names_in_a_split_without_an_image_are_told(tmp_path: Path) -> None:
    small.folders(tmp_path)
    names = sorted(small.arrays())
    content = {"train": names[:3], "val": [*names[3:5], "gone"]}
    (tmp_path / "split.json").write_text(json.dumps(content))
    found = problems(tmp_path)
    assert "names 1 case without an image: gone" in found[0].sentence
    assert f"{names[5]} is in no list of the split" in found[1].sentence


def test_the_command_lists_problems_and_says_by_its_exit_how_it_went(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small.folders(tmp_path)
    splits = tmp_path / "splits_final.json"
    assert main(["verify-data", str(tmp_path), "--folds", str(splits)]) == 0
    assert "No errors, 0 warnings." in capsys.readouterr().out
    assert len(json.loads(splits.read_text())) == 5
    name = min(small.arrays())
    (tmp_path / "images" / f"{name}.png").write_bytes(b"no picture")
    assert main(["verify-data", str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert f"error: {name}: {name}.png cannot be read" in said.out
    assert "1 error and 0 warnings" in said.err
