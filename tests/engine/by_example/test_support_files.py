from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from napari_medseg.engine.by_example.support import SupportError, SupportSet
from napari_medseg.io.atomic import SaveError
from napari_medseg.io.errors import ReadError

IMAGE = np.arange(30, dtype=np.uint8).reshape(5, 6)
MASK = (IMAGE > 12).astype(np.uint8)

DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32"]
DTYPES += ["int64", "uint64", "float64"]


def plain_folder(path: Path, masks: dict[str, np.ndarray]) -> Path:
    (path / "images").mkdir(parents=True)
    (path / "masks").mkdir()
    for name, mask in masks.items():
        Image.fromarray(IMAGE).save(path / "images" / f"{name}.png")
        Image.fromarray(mask).save(path / "masks" / f"{name}.png")
    return path


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_what_is_saved_is_loaded_without_loss(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("sets") / "set"
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = data.draw(npst.array_shapes(min_dims=2, max_dims=2, max_side=7))
    colours = data.draw(st.sampled_from([(), (3,), (4,)]))
    image = data.draw(npst.arrays(dtype, (*shape, *colours)))
    mask = data.draw(npst.arrays(np.uint8, shape))
    mask[0, 0] = 2
    names = ("background", "Läsion", *(f"class {index}" for index in range(2, 256)))
    support = SupportSet(class_names=names).add(image, mask, value_range=(-1.5, 0.1))
    support.save(folder)
    loaded = SupportSet.load(folder)
    assert loaded.class_names == support.class_names
    found = loaded.examples[0]
    np.testing.assert_array_equal(found.image, image)
    np.testing.assert_array_equal(found.mask, mask)
    assert found.value_range == (-1.5, 0.1)
    assert found.image.dtype == (np.uint8 if dtype == "bool" else image.dtype)


@pytest.mark.parametrize("dtype", [">u2", ">i2", ">u4", ">f4", ">f8"])
def test_an_image_in_the_order_of_other_computers_is_the_same_example(
    tmp_path: Path, dtype: str
) -> None:
    foreign = SupportSet().add(IMAGE.astype(dtype), MASK.astype(">i4"))
    native = SupportSet().add(IMAGE.astype(dtype[1:]), MASK)
    assert foreign.content_hash == native.content_hash
    foreign.save(tmp_path / "set")
    np.testing.assert_array_equal(SupportSet.load(tmp_path / "set").examples[0].image, IMAGE)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_class_numbers_of_a_mask_with_a_palette_are_its_places(tmp_path: Path, suffix: str) -> None:
    folder = plain_folder(tmp_path / "set", {"a": MASK, "b": MASK})
    both = np.where(IMAGE > 20, 255, MASK).astype(np.uint8)
    for name, numbers in {"a": both, "b": MASK * 255}.items():
        (folder / "masks" / f"{name}.png").unlink()
        picture = Image.fromarray(numbers)
        picture.putpalette([0, 0, 0, 200, 200, 200, 90, 90, 90] + [7, 7, 7] * 253)
        picture.save(folder / "masks" / f"{name}{suffix}")
    support = SupportSet.load(folder)
    assert support.class_names[1:] == ("class 1", "class 255")
    np.testing.assert_array_equal(support.examples[0].mask, MASK + (IMAGE > 20))
    np.testing.assert_array_equal(support.examples[1].mask, MASK * 2)


def test_nothing_of_names_or_paths_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "MEYER"
    SupportSet().add(IMAGE, MASK, name="MEYER^ANNA 1955").save(folder)
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    names = " ".join(path.name for path in folder.rglob("*"))
    assert b"MEYER" not in written
    assert "MEYER" not in names


def test_saving_again_replaces_the_whole_set(tmp_path: Path) -> None:
    support = SupportSet().add(IMAGE, MASK).add(IMAGE + 1, MASK)
    support.save(tmp_path / "set")
    support.remove(0)
    support.save(tmp_path / "set")
    assert len(SupportSet.load(tmp_path / "set")) == 1
    assert len(list((tmp_path / "set" / "images").iterdir())) == 1


def test_a_failed_save_leaves_the_good_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    support = SupportSet().add(IMAGE, MASK)
    support.save(tmp_path / "set")
    support.add(IMAGE.astype(np.float32), MASK)

    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(SaveError, match="disk is full"):
        support.save(tmp_path / "set")
    assert len(SupportSet.load(tmp_path / "set")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_folder_with_other_things_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SaveError, match="other things"):
        SupportSet().add(IMAGE, MASK).save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_an_empty_set_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(SupportError, match="no example"):
        SupportSet().save(tmp_path / "set")


def test_a_plain_folder_pair_is_accepted(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "set", {"a": MASK * 255, "b": MASK * 255})
    loaded = SupportSet.load(folder)
    assert loaded.class_names == ("background", "class 1")
    assert [example.name for example in loaded] == ["a", "b"]
    np.testing.assert_array_equal(loaded.examples[0].mask, MASK)


def test_mask_values_with_gaps_are_numbered_in_their_order(tmp_path: Path) -> None:
    grey = np.where(IMAGE > 20, 255, np.where(IMAGE > 12, 128, 0)).astype(np.uint8)
    folder = plain_folder(tmp_path / "set", {"a": grey, "b": MASK * 255})
    loaded = SupportSet.load(folder)
    assert loaded.class_names == ("background", "class 128", "class 255")
    assert loaded.examples[0].classes == (1, 2)
    assert loaded.examples[1].classes == (2,)


def test_a_directory_that_is_no_support_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SupportError, match="no support set"):
        SupportSet.load(tmp_path)
    with pytest.raises(SupportError, match="no support set"):
        SupportSet.load(tmp_path / "missing")


def test_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SupportError, match="no images"):
        SupportSet.load(plain_folder(tmp_path / "set", {}))


def test_names_without_a_partner_are_told(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "set", {"a": MASK, "b": MASK})
    (folder / "masks" / "b.png").unlink()
    with pytest.raises(SupportError, match="alone are: b"):
        SupportSet.load(folder)


def test_two_files_of_one_name_are_told(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "set", {"a": MASK})
    Image.fromarray(IMAGE).save(folder / "images" / "a.bmp")
    with pytest.raises(SupportError, match="named 'a'"):
        SupportSet.load(folder)


def test_a_mask_of_another_size_is_told_by_its_file(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "set", {"a": MASK[:, :4]})
    with pytest.raises(SupportError, match=r"Example a\.png: The mask has size 5 × 4"):
        SupportSet.load(folder)


def test_an_empty_mask_is_told_by_its_file(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "set", {"a": MASK, "b": MASK * 0})
    with pytest.raises(SupportError, match=r"Example b\.png: Nothing is painted"):
        SupportSet.load(folder)


def test_a_picture_is_no_mask(tmp_path: Path) -> None:
    picture = np.arange(100, dtype=np.uint8).reshape(10, 10)
    folder = plain_folder(tmp_path / "set", {"a": picture})
    with pytest.raises(SupportError, match="look like pictures"):
        SupportSet.load(folder)


def test_a_volume_is_no_example(tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "set", {"a": MASK})
    (folder / "images" / "a.png").unlink()
    tifffile.imwrite(
        folder / "images" / "a.tif", np.zeros((4, 5, 6), np.uint8), photometric="minisblack"
    )
    with pytest.raises(SupportError, match="holds a volume"):
        SupportSet.load(folder)


def test_a_damaged_image_is_told(tmp_path: Path) -> None:
    SupportSet().add(IMAGE, MASK).save(tmp_path / "set")
    file = tmp_path / "set" / "images" / "001.png"
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(ReadError, match=r"001\.png"):
        SupportSet.load(tmp_path / "set")


@pytest.mark.parametrize(
    "change",
    [
        {"format": "something else"},
        {"class_names": []},
        {"class_names": [1, 2]},
        {"examples": "none"},
        {"examples": [{"image": "001.png"}]},
        {"examples": [{"image": "../x.png", "mask": "001.png", "value_range": None}]},
        {"version": 99},
    ],
)
def test_a_damaged_description_is_told(tmp_path: Path, change: dict[str, object]) -> None:
    SupportSet().add(IMAGE, MASK).save(tmp_path / "set")
    file = tmp_path / "set" / "support.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(SupportError, match=r"support\.json|later version"):
        SupportSet.load(tmp_path / "set")
