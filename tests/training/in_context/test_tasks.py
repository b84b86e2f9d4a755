"""Folders of images and masks become tasks, or a sentence that says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from medseg_training.in_context.tasks import TaskFolderError, divided, read_task, read_tasks


def test_reads_classes_and_channels(task_root: Path) -> None:
    tasks = {task.name: task for task in read_tasks(task_root)}
    assert tasks["grey_one"].classes == (1, 2)
    assert tasks["grey_two"].classes == (1,)
    assert tasks["grey_one"].channels == 1
    assert tasks["colours"].channels == 3


def test_images_are_scaled_and_masks_stay_indices(task_root: Path) -> None:
    pair = read_task(task_root / "grey_one").pairs[0]
    assert [tuple(level.shape) for level in pair.pyramid] == [(1, 48, 40), (1, 24, 20), (1, 12, 10)]
    assert float(pair.pyramid[0].min()) == 0.0
    assert float(pair.pyramid[0].max()) == 1.0
    assert pair.labels.dtype == np.uint8
    assert set(np.unique(pair.labels)) == {0, 1, 2}


def test_large_images_are_shrunk_without_new_labels(tmp_path: Path) -> None:
    folder = tmp_path / "large"
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for i in range(3):
        Image.fromarray(np.full((300, 600), 9, np.uint8)).save(folder / "images" / f"{i}.png")
        labels = np.zeros((300, 600), np.uint8)
        labels[100:200, 100:300] = 7
        Image.fromarray(labels).save(folder / "masks" / f"{i}.png")
    pair = read_task(folder).pairs[0]
    assert pair.labels.shape == (128, 256)
    assert set(np.unique(pair.labels)) == {0, 7}
    assert abs((pair.labels == 7).mean() - 1 / 9) < 0.01


def test_rare_classes_are_left_out(tmp_path: Path, write_task: Callable[..., None]) -> None:
    folder = tmp_path / "rare"
    write_task(folder, classes=1)
    labels = np.asarray(Image.open(folder / "masks" / "000.png")).copy()
    labels[:5, :5] = 3
    Image.fromarray(labels).save(folder / "masks" / "000.png")
    assert read_task(folder).classes == (1,)


def test_images_of_16_bits_keep_their_grey_values(task_root: Path) -> None:
    file = task_root / "grey_one" / "images" / "000.png"
    values = np.asarray(Image.open(file))
    before = read_task(task_root / "grey_one")
    Image.fromarray(values.astype(np.uint16) * 200).save(file)
    after = read_task(task_root / "grey_one")
    assert after.channels == 1
    np.testing.assert_allclose(after.pairs[0].pyramid[0], before.pairs[0].pyramid[0], atol=1e-6)


def test_a_photo_is_turned_as_its_exif_entry_says_and_its_mask_fits(task_root: Path) -> None:
    before = read_task(task_root / "colours")
    for file in (task_root / "colours" / "images").iterdir():
        turned = Image.open(file).transpose(Image.Transpose.ROTATE_90)
        turned.getexif()[0x0112] = 6  # shown turned by 90 degrees, clockwise
        turned.save(file, exif=turned.getexif())
    after = read_task(task_root / "colours")
    for pair, known in zip(after.pairs, before.pairs, strict=True):
        assert torch.equal(pair.pyramid[0], known.pyramid[0])


def test_a_stack_of_planes_is_refused(task_root: Path) -> None:
    images = task_root / "grey_one" / "images"
    (images / "000.png").unlink()
    tifffile.imwrite(images / "000.tif", np.zeros((5, 48, 40), np.uint8))
    with pytest.raises(TaskFolderError, match=r"000\.tif is no single plane"):
        read_task(task_root / "grey_one")


def test_classes_beyond_a_byte_are_refused(task_root: Path) -> None:
    file = task_root / "grey_one" / "masks" / "000.png"
    Image.fromarray(np.asarray(Image.open(file)).astype(np.uint16) * 200).save(file)
    with pytest.raises(TaskFolderError, match=r"000\.png holds the value 400"):
        read_task(task_root / "grey_one")


def test_a_missing_mask_is_named(task_root: Path) -> None:
    (task_root / "grey_one" / "masks" / "003.png").unlink()
    with pytest.raises(TaskFolderError, match="003"):
        read_task(task_root / "grey_one")


def test_a_mask_of_another_size_is_named(task_root: Path) -> None:
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(task_root / "grey_one" / "masks" / "002.png")
    with pytest.raises(TaskFolderError, match=r"002\.png has shape \(5, 5\)"):
        read_task(task_root / "grey_one")


def test_tasks_are_divided_by_name(task_root: Path) -> None:
    tasks = read_tasks(task_root)
    learned, watched = divided(tasks, ["grey_two"])
    assert [task.name for task in learned] == ["colours", "grey_one"]
    assert watched == [tasks[2]]
    with pytest.raises(TaskFolderError, match="no task named elsewhere"):
        divided(tasks, ["elsewhere"])
    with pytest.raises(TaskFolderError, match="keep one to learn from"):
        divided(tasks, [task.name for task in tasks])


def test_an_empty_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(TaskFolderError, match="no folders"):
        read_tasks(tmp_path / "empty")
    with pytest.raises(TaskFolderError, match="missing is no folder"):
        read_tasks(tmp_path / "missing")


def test_an_image_that_cannot_be_opened_is_named(task_root: Path) -> None:
    (task_root / "grey_one" / "images" / "001.png").write_bytes(b"no image")
    with pytest.raises(TaskFolderError, match=r"001\.png"):
        read_task(task_root / "grey_one")


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [(b"no mask", r"000\.tif cannot be read"), (-1, r"000\.tif cannot be read.*not be negative")],
)
def test_a_mask_that_cannot_be_used_is_named(
    task_root: Path, mask: bytes | int, sentence: str
) -> None:
    folder = task_root / "grey_one" / "masks"
    (folder / "000.png").unlink()
    if isinstance(mask, bytes):
        (folder / "000.tif").write_bytes(mask)
    else:
        Image.fromarray(np.full((48, 40), mask, np.int32)).save(folder / "000.tif")
    with pytest.raises(TaskFolderError, match=sentence):
        read_task(task_root / "grey_one")


def test_masks_of_black_and_white_hold_class_1(task_root: Path) -> None:
    for file in (task_root / "grey_two" / "masks").iterdir():
        Image.fromarray(np.asarray(Image.open(file)) * np.uint8(255)).save(file)
    assert read_task(task_root / "grey_two").classes == (1,)


def test_two_images_of_one_name_are_refused(task_root: Path) -> None:
    images = task_root / "grey_one" / "images"
    Image.fromarray(np.zeros((48, 40), np.uint8)).save(images / "001.jpg")
    with pytest.raises(TaskFolderError, match=r"001\.jpg and 001\.png have one name"):
        read_task(task_root / "grey_one")
