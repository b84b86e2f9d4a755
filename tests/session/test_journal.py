"""What was painted is on the disk, comes back after a crash, and tells no names."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
import zlib
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_medseg.engine.by_example.support import make_example
from napari_medseg.io.notes import NOTE_KEY
from napari_medseg.session.by_example.examples import Examples
from napari_medseg.session.journal.blocks import BlockGrid
from napari_medseg.session.journal.recognise import (
    find_place,
    image_hash,
    image_of,
    place_hash,
)
from napari_medseg.session.journal.records import JournalFile, Record, read_records
from napari_medseg.session.journal.restore import (
    layer_of,
    picture_of,
    read_examples_journal,
    read_labels_journal,
)
from napari_medseg.session.journal.store import JournalStore, Unsaved
from napari_medseg.session.journal.writer import Journal
from napari_medseg.session.layers.notes import note
from napari_medseg.session.locks import Locks
from tests.session.paint_until_killed import stroke

SHAPE = (20, 96, 90)


def labels(shape: tuple[int, ...] = SHAPE, **options) -> Labels:
    layer = Labels(np.zeros(shape, np.uint8), **options)
    layer.brush_size = 9
    return layer


def journal_of(layer: Labels, root: Path, image: tuple[str, str] = ("image", "place")) -> Journal:
    journal = Journal(JournalStore(root), lambda labels: image)
    journal.watch(layer)
    return journal


def _is_written(root: Path) -> bool:
    """Whether a journal holds records; their content was read from the layer before."""
    return any(path.stat().st_size for path in root.glob("*/*.journal"))


def only(root: Path) -> Unsaved:
    (entry,) = JournalStore(root).unsaved()
    return entry


def test_records_come_back_up_to_the_last_whole_one(tmp_path: Path) -> None:
    file = JournalFile(tmp_path / "a.journal")
    records = [Record({"n": n}, bytes([n]) * n) for n in range(5)]
    file.append(records[:3])
    file.append(records[3:])
    file.close()
    content = file.path.read_bytes()
    ends = {0: 0} | {
        sum(len(r.packed()) for r in records[: n + 1]): n + 1 for n in range(len(records))
    }
    for size in range(len(content) + 1):
        file.path.write_bytes(content[:size])
        whole = max(count for end, count in ends.items() if end <= size)
        assert list(read_records(file.path)) == records[:whole]
    damaged = bytearray(content)
    damaged[-1] ^= 1
    file.path.write_bytes(damaged)
    assert list(read_records(file.path)) == records[:4]


@pytest.mark.parametrize("shape", [(300, 500), SHAPE, (3, 20, 70, 65), (7, 5)])
def test_blocks_cover_an_array_once(shape: tuple[int, ...]) -> None:
    grid = BlockGrid(shape)
    seen = np.zeros(shape, int)
    for block in grid.all():
        seen[grid.box(block)] += 1
    assert (seen == 1).all()


def test_strokes_undo_and_writes_by_others_come_back(tmp_path: Path) -> None:
    layer = labels()
    layer.data[1, 2, 3] = 4  # what was there before the first stroke
    journal = journal_of(layer, tmp_path)
    layer.paint((3, 40, 40), 1)
    journal.flush()
    layer.data_setitem(tuple(np.array([[5, 6], [7, 8], [9, 10]])), 2)
    layer.fill((19, 0, 0), 3)
    journal.flush()
    layer.undo()
    journal.flush()
    layer.data[10] = 3
    layer.refresh()
    journal.close()
    restored = read_labels_journal(only(tmp_path).path)
    assert np.array_equal(restored.labels, layer.data)
    assert restored.labels.dtype == layer.data.dtype


def test_another_array_in_the_layer_starts_anew(tmp_path: Path) -> None:
    layer = labels()
    journal = journal_of(layer, tmp_path)
    layer.paint((3, 40, 40), 1)
    journal.flush()
    layer.data = np.full((4, 5), 7, np.uint16)
    journal.close()
    assert np.array_equal(read_labels_journal(only(tmp_path).path).labels, layer.data)


def test_labels_lie_where_they_lay_with_names_and_locks(tmp_path: Path) -> None:
    layer = labels(
        scale=(4, 0.5, 0.5),
        translate=(1, 2, 3),
        affine=np.diag([1, -1, 1, 1]),
        units=("mm",) * 3,
        axis_labels=("z", "y", "x"),
        metadata={
            NOTE_KEY: {"class_names": ["background", "lesion"], "geometry": {"spacing": [4]}}
        },
    )
    locks = Locks({(3, None, None)}, {1})
    locks.put(layer)
    journal = journal_of(layer, tmp_path)
    layer.paint((3, 40, 40), 1)
    journal.close()
    back = layer_of(read_labels_journal(only(tmp_path).path), "back")
    assert np.array_equal(back.data, layer.data)
    assert np.array_equal(back._data_to_world.affine_matrix, layer._data_to_world.affine_matrix)
    assert back.units == layer.units
    assert back.metadata[NOTE_KEY]["class_names"] == ["background", "lesion"]
    assert back.metadata[NOTE_KEY]["geometry"] == {"spacing": [4]}
    assert Locks.of(back) == Locks(frozenset(locks.planes), frozenset(locks.classes))


def test_names_and_locks_that_come_after_the_last_stroke_come_back_too(tmp_path: Path) -> None:
    layer = labels()
    journal = journal_of(layer, tmp_path)
    layer.paint((3, 40, 40), 1)
    journal.flush()
    note(layer, "class_names", ["background", "lesion"])
    Locks({(3, None, None)}, {1}).put(layer)
    journal.close()
    back = layer_of(read_labels_journal(only(tmp_path).path), "back")
    assert back.metadata[NOTE_KEY]["class_names"] == ["background", "lesion"]
    assert Locks.of(back) == Locks(frozenset({(3, None, None)}), frozenset({1}))


def test_a_journal_that_grows_is_written_anew(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("napari_medseg.session.journal.labels._REWRITE_ABOVE", 4000)
    layer = labels()
    journal = journal_of(layer, tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(60):
        layer.paint(tuple(rng.integers(0, SHAPE)), int(rng.integers(1, 5)))
        journal.flush()
    journal.close()
    entry = only(tmp_path)
    assert entry.path.stat().st_size < 60_000
    assert np.array_equal(read_labels_journal(entry.path).labels, layer.data)


def test_what_runs_is_not_offered_and_what_was_saved_is_gone(tmp_path: Path) -> None:
    layer = labels()
    journal = journal_of(layer, tmp_path)
    layer.paint((3, 40, 40), 1)
    journal.flush()
    assert JournalStore(tmp_path).unsaved() == []
    copied = journal.changes(layer)
    layer.paint((4, 40, 40), 1)
    journal.saved(layer, copied)
    journal.flush()
    journal.saved(layer, journal.changes(layer))
    journal.close()
    assert JournalStore(tmp_path).unsaved() == []
    assert list(tmp_path.iterdir()) == []


def test_what_was_saved_before_it_was_written_down_is_not_offered(tmp_path: Path) -> None:
    layer = labels()
    journal = journal_of(layer, tmp_path)
    layer.paint((3, 40, 40), 1)
    journal.saved(layer, journal.changes(layer))
    journal.flush()
    assert not _is_written(tmp_path)
    layer.paint((4, 40, 40), 2)
    journal.close()
    assert np.array_equal(read_labels_journal(only(tmp_path).path).labels, layer.data)


def test_the_writer_needs_no_asking_and_a_layer_may_leave(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("napari_medseg.session.journal.writer.WAIT", 0.01)
    layer = labels()
    journal = journal_of(layer, tmp_path)
    layer.paint((3, 40, 40), 1)
    journal.unwatch(layer)
    until = time.monotonic() + 20
    while not _is_written(tmp_path) and time.monotonic() < until:
        time.sleep(0.01)
    layer.paint((4, 40, 40), 1)
    journal.close()
    assert not read_labels_journal(only(tmp_path).path).labels[4].any()


def test_a_layer_that_leaves_while_it_is_written_keeps_its_file_to_itself(
    tmp_path: Path, monkeypatch
) -> None:
    layer = labels()
    journal = journal_of(layer, tmp_path)
    layer.paint((3, 40, 40), 1)
    write = journal._write

    def slowly(part, file):
        if part is journal._parts.get(id(layer)):
            journal.unwatch(layer)
        return write(part, file)

    monkeypatch.setattr(journal, "_write", slowly)
    assert journal.flush()
    assert journal._files == {}, "another layer may get this identity"
    assert journal._leaving == []
    journal.close()
    assert read_labels_journal(only(tmp_path).path).labels[3].any()


def test_a_full_disk_is_told_once_and_what_was_written_stays(tmp_path: Path, monkeypatch) -> None:
    layer = labels()
    journal = journal_of(layer, tmp_path)
    told: list[str] = []
    journal.problem.connect(told.append)
    layer.paint((3, 40, 40), 1)
    journal.flush()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", _no_room)
        for position in (4, 5):
            layer.paint((position, 40, 40), 1)
            journal.flush()
    assert len(told) == 1
    assert "No space" in told[0]
    layer.paint((6, 40, 40), 1)
    journal.close()
    assert np.array_equal(read_labels_journal(only(tmp_path).path).labels, layer.data)


def _no_room(handle: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_layer_that_cannot_be_written_keeps_no_other_from_it(tmp_path: Path) -> None:
    broken, sound = labels(), labels()

    def image_of(layer: Labels) -> tuple[str, str]:
        if layer is broken:
            raise RuntimeError("somebody else's fault")
        return "image", "place"

    journal = Journal(JournalStore(tmp_path), image_of)
    for layer in (broken, sound):
        journal.watch(layer)
        layer.data_setitem((np.array([3]), np.array([4]), np.array([5])), 1)
    assert not journal.flush()
    assert journal.flush() is False, "it is tried anew as long as it is due"
    assert _is_written(tmp_path)
    journal.close()
    assert np.array_equal(read_labels_journal(only(tmp_path).path).labels, sound.data)


def test_old_and_large_journals_go_and_the_newest_stays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(3):
        layer = Labels(rng.integers(0, 255, (900, 900), np.uint8))
        journal = journal_of(layer, tmp_path)
        journal.note_now(layer)
        journal.close()
    entries = JournalStore(tmp_path).unsaved()
    assert len(entries) == 3
    JournalStore(tmp_path, limit_mb=1).tidy()
    assert [entry.path for entry in JournalStore(tmp_path).unsaved()] == [entries[0].path]
    JournalStore(tmp_path, days=0).tidy()
    assert JournalStore(tmp_path).unsaved() == []


def test_the_own_journal_keeps_to_the_limit(tmp_path: Path) -> None:
    layer = Labels(np.random.default_rng(0).integers(0, 255, (1500, 1500), np.uint8))
    journal = Journal(JournalStore(tmp_path, limit_mb=1), lambda labels: ("", ""))
    told: list[str] = []
    journal.problem.connect(told.append)
    journal.watch(layer)
    for value in (1, 2):
        layer.paint((10, 10), value)
        journal.flush()
    assert len(told) == 1
    assert "1 MB" in told[0]
    journal.close()


def test_examples_come_back_without_their_names(tmp_path: Path) -> None:
    examples = Examples()
    journal = Journal(JournalStore(tmp_path), lambda labels: ("", ""))
    journal.watch_examples(examples)
    rng = np.random.default_rng(0)
    for shape, dtype in (((30, 40), np.uint16), ((30, 40, 3), np.uint8), ((20, 20), np.float32)):
        image = (rng.random(shape) * 200).astype(dtype)
        mask = np.zeros(shape[:2], np.uint8)
        mask[5:9, 5:9] = 1
        examples.add(make_example(image, mask, name="Smith, John", value_range=(0, 150)))
        journal.flush()
    examples.rename_class(1, "lesion")
    examples.remove(0)
    journal.close()
    back = read_examples_journal(only(tmp_path).path)
    assert back.content_hash == examples.support().content_hash
    assert back.class_names[1] == "lesion"
    assert all("Smith" not in example.name for example in back)
    assert b"Smith" not in only(tmp_path).path.read_bytes()


def test_examples_of_a_closed_dock_are_written_and_let_go(tmp_path: Path) -> None:
    examples = Examples()
    journal = Journal(JournalStore(tmp_path), lambda labels: ("", ""))
    journal.watch_examples(examples)
    mask = np.zeros((20, 20), np.uint8)
    mask[5:9, 5:9] = 1
    examples.add(make_example(np.random.default_rng(0).random((20, 20)), mask))
    content, alive = examples.support().content_hash, weakref.ref(examples)
    journal.unwatch_examples(examples)
    journal.flush()
    del examples
    gc.collect()
    assert alive() is None
    journal.close()
    assert read_examples_journal(only(tmp_path).path).content_hash == content


def test_images_are_known_by_their_pixels_and_files_by_their_place(tmp_path: Path) -> None:
    import dask.array

    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 1000, (6, 40, 50), np.uint16)
    assert image_hash(Image(pixels, name="a")) == image_hash(Image(pixels.copy(), name="b"))
    other = pixels.copy()
    other[3, 20, 20] += 1
    assert image_hash(Image(pixels)) != image_hash(Image(other))
    lazy = Image(dask.array.from_array(pixels))
    assert image_hash(lazy) == image_hash(Image(dask.array.from_array(pixels.copy())))
    folder = tmp_path / "Smith, John"
    folder.mkdir()
    file = folder / "ct.nii"
    file.touch()
    assert find_place(place_hash(file), [tmp_path / "gone", folder]) == file
    assert find_place(place_hash(folder), [folder]) == folder
    assert find_place(place_hash(tmp_path / "other"), [folder]) is None
    small, fits, hidden = Image(pixels[:2]), Image(pixels), Image(other, visible=False)
    assert image_of(labels(pixels.shape), [small, fits, hidden]) is fits
    assert image_of(labels(pixels.shape[1:]), [fits]) is fits, "of one of its planes"
    assert image_of(labels((5, 5)), [fits]) is None


def test_the_picture_shows_the_plane_with_the_most_paint(tmp_path: Path) -> None:
    layer = labels()
    journal = journal_of(layer, tmp_path)
    layer.paint((3, 40, 40), 1)
    layer.data_setitem(tuple(np.array([[7], [1], [1]])), 2)
    journal.close()
    restored = read_labels_journal(only(tmp_path).path)
    pixels = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    picture = picture_of(restored, Image(pixels))
    assert np.array_equal(picture.mask, layer.data[3])
    assert np.array_equal(picture.image, pixels[3])
    assert restored.in_words.startswith("class 1, class 2; ")
    assert restored.in_words.endswith("pixels on 2 planes")
    assert not picture_of(restored, None).image.any()


@pytest.mark.skipif(sys.platform == "win32", reason="programs are forked off")
def test_a_killed_program_loses_no_more_than_its_last_strokes(tmp_path: Path) -> None:
    seconds = [0.3, 0.55, 0.8, 1.1, 1.7]
    script = ["-m", "tests.session.paint_until_killed", str(tmp_path), *map(str, seconds)]
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, *script], cwd=root, check=True, timeout=200)
    restored = 0
    for seed in range(len(seconds)):
        states = [int(line) for line in (tmp_path / f"{seed}.txt").read_text().split()]
        folder = tmp_path / str(seed)
        for path in folder.rglob("*"):
            assert "Smith" not in path.name
            assert not path.is_file() or b"Smith" not in path.read_bytes()
        for entry in JournalStore(folder).unsaved():
            found = read_labels_journal(entry.path).labels
            assert zlib.crc32(found) in states or is_between_strokes(found, seed, len(states))
            restored += 1
    assert restored >= 3


def is_between_strokes(found: np.ndarray, seed: int, n_strokes: int) -> bool:
    """Tell whether labels are one of the last states, and part of the strokes that came next.

    Blocks are copied while the brush is at work.
    """
    rng = np.random.default_rng(seed)
    layer = labels()
    changed_by = np.zeros(SHAPE, np.int64)
    states = [layer.data.copy()]
    for number in range(1, n_strokes + 2):
        stroke(layer, rng)
        changed_by[layer.data != states[-1]] = number
        states.append(layer.data.copy())
    last = range(n_strokes, max(n_strokes - 40, -1), -1)
    return any(
        np.array_equal(found[changed_by <= number], states[number][changed_by <= number])
        for number in last
    )
