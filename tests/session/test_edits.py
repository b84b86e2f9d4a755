"""Writing into the user's labels."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Labels

from napari_medseg.engine.results import finished
from napari_medseg.session.edits import (
    Mode,
    is_being_written,
    merged,
    why_not_writable,
    write_job,
)
from napari_medseg.session.layers.editable_copy import copy_job
from napari_medseg.session.layers.stack import Stack
from napari_medseg.session.lock_guard import LockGuard
from napari_medseg.session.locks import Locks

SHAPE = (3, 6, 5)
STACK = Stack(axes=(1, 2), axis=0, at=(0, 0, 0), n_planes=3)


def write_planes(*what, **how) -> int:
    """Write at once; gives how many voxels changed."""
    return finished(write_job(*what, **how)).voxels


def plane(value: int, rows: slice = slice(None)) -> np.ndarray:
    labels = np.zeros(SHAPE[1:], np.uint8)
    labels[rows] = value
    return labels


def test_modes_say_what_happens_to_existing_labels() -> None:
    existing = np.array([0, 1, 1, 2, 2, 0])
    proposed = np.array([1, 1, 0, 1, 0, 0])
    assert merged(existing, proposed, Mode.KEEP).tolist() == [1, 1, 1, 2, 2, 0]
    assert merged(existing, proposed, Mode.OVERWRITE_CLASS, [1]).tolist() == [1, 1, 0, 2, 2, 0]
    assert merged(existing, proposed, Mode.OVERWRITE_ALL).tolist() == [1, 1, 0, 1, 0, 0]


@pytest.mark.parametrize("mode", Mode)
def test_locked_classes_neither_appear_nor_disappear(mode: Mode) -> None:
    existing = np.array([0, 1, 2, 3, 3])
    proposed = np.array([3, 3, 3, 1, 0])
    result = merged(existing, proposed, mode, [1, 3], locked_classes=[3])
    assert np.array_equal(result == 3, existing == 3)


def test_only_changed_voxels_are_written_as_one_undo_step() -> None:
    layer = Labels(np.zeros(SHAPE, np.uint8))
    layer.data_setitem(tuple(np.zeros((3, 1), int)), 2)
    painted = layer.data.copy()
    changed = write_planes(layer, STACK, {0: plane(1), 2: plane(1, slice(3))})
    assert changed == 30 - 1 + 15
    assert layer.data[0, 0, 0] == 2
    assert not layer.data[1].any()
    layer.undo()
    assert np.array_equal(layer.data, painted)
    layer.undo()
    assert not layer.data.any()


def test_nothing_to_change_makes_no_undo_step() -> None:
    layer = Labels(np.zeros(SHAPE, np.uint8))
    layer.data_setitem(tuple(np.zeros((3, 1), int)), 2)
    assert write_planes(layer, STACK, {1: plane(0)}) == 0
    layer.undo()
    assert not layer.data.any()


def test_one_component_and_approved_planes() -> None:
    layer = Labels(np.zeros(SHAPE, np.uint8))
    within = np.zeros(SHAPE[1:], bool)
    within[0, 0] = True
    locks = Locks(planes={STACK.key(1)})
    proposed = {0: plane(1), 1: plane(1)}
    assert write_planes(layer, STACK, proposed, within={0: within}, locks=locks) == 1
    assert layer.data.sum() == 1


def test_any_axis_of_any_array() -> None:
    stack = Stack(axes=(0, 3), axis=2, at=(0, 1, 2, 0), n_planes=4)
    layer = Labels(np.zeros((5, 2, 4, 3), np.uint16))
    write_planes(layer, stack, {3: np.full((5, 3), 7, np.uint8)})
    assert (layer.data[:, 1, 3, :] == 7).all()
    assert (layer.data > 0).sum() == 15


@pytest.mark.parametrize(
    "layer",
    [
        Labels(dask.array.zeros(SHAPE, dtype=np.uint8), name="lazy"),
        Labels([np.zeros((8, 8, 8), np.uint8), np.zeros((4, 4, 4), np.uint8)], multiscale=True),
    ],
    ids=["dask", "multiscale"],
)
def test_labels_that_cannot_be_edited_are_refused_with_what_to_do(layer: Labels) -> None:
    assert "make a new labels layer" in why_not_writable(layer)
    with pytest.raises(ValueError, match="make a new labels layer"):
        write_planes(layer, STACK, {0: plane(1)})


def test_labels_of_another_size_or_too_small_a_type_are_refused_unchanged() -> None:
    other = Labels(np.zeros((3, 4, 4), np.uint8))
    flat = Labels(np.zeros((6, 5), np.uint8))
    for layer in (other, flat):
        with pytest.raises(ValueError, match="another size"):
            write_planes(layer, STACK, {0: plane(1)})
    narrow = Labels(np.zeros(SHAPE, np.uint8))
    with pytest.raises(ValueError, match="cannot hold label 300"):
        write_planes(narrow, STACK, {0: np.full(SHAPE[1:], 300, np.uint16)})
    assert not narrow.data.any()


def test_an_approved_plane_stays_when_planes_across_it_are_written() -> None:
    layer = Labels(np.zeros(SHAPE, np.uint8))
    across = Stack(axes=(0, 2), axis=1, at=(0, 0, 0), n_planes=6)
    proposed = {row: np.ones((3, 5), np.uint8) for row in range(6)}
    assert write_planes(layer, across, proposed, locks=Locks(planes={STACK.key(1)})) == 60
    assert not layer.data[1].any()
    assert layer.data[[0, 2]].all()


def test_a_large_write_is_one_undo_step_and_nothing_else_writes_meanwhile(monkeypatch) -> None:
    monkeypatch.setattr("napari_medseg.session.edits.PIXELS_PER_STEP", 5)
    layer = Labels(np.zeros(SHAPE, np.uint8))
    job = write_job(layer, STACK, {0: plane(1), 2: plane(2)})
    steps = [next(job)]
    assert is_being_written(layer)
    with pytest.raises(ValueError, match="is being written"):
        write_planes(layer, STACK, {1: plane(1)})
    steps += list(job)
    assert len(steps) == 12
    assert [step.done for step in steps] == [0] * 6 + [1] * 6
    assert not is_being_written(layer)
    assert np.array_equal(layer.data, [plane(1), plane(0), plane(2)])
    layer.undo()
    assert not layer.data.any()
    layer.redo()
    assert layer.data[2].all()


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_a_write_that_is_cut_short_is_taken_back(monkeypatch, steps: int) -> None:
    monkeypatch.setattr("napari_medseg.session.edits.PIXELS_PER_STEP", 5)
    layer = Labels(np.zeros(SHAPE, np.uint8))
    layer.data_setitem(tuple(np.full((3, 1), 2)), 3)
    painted = layer.data.copy()
    job = write_job(layer, STACK, {0: plane(1), 2: plane(2)}, mode=Mode.OVERWRITE_ALL)
    for _ in range(steps):
        next(job)
    job.close()
    assert not is_being_written(layer)
    assert np.array_equal(layer.data, painted)
    layer.redo()
    assert np.array_equal(layer.data, painted)
    layer.undo()
    layer.undo()
    assert not layer.data.any()


def test_a_write_that_fails_on_its_way_is_taken_back() -> None:
    class Breaking(dict):
        def items(self):
            yield 0, plane(1)
            yield 1, plane(1)
            raise MemoryError

    layer = Labels(np.zeros(SHAPE, np.uint8))
    with pytest.raises(MemoryError):
        write_planes(layer, STACK, Breaking({0: plane(1)}))
    assert not layer.data.any()
    layer.data_setitem(tuple(np.full((3, 1), 2)), 3)
    layer.undo()
    assert not layer.data.any()


def test_labels_that_cannot_be_edited_can_be_copied() -> None:
    data = np.random.default_rng(0).integers(0, 4, SHAPE, np.uint8)
    for layer in (Labels(dask.array.from_array(data)), Labels([data, data[::2, ::2, ::2]])):
        job = copy_job(layer)
        with pytest.raises(StopIteration) as end:
            while True:
                next(job)
        copy = Labels(end.value.value)
        assert not why_not_writable(copy)
        assert np.array_equal(copy.data, data)


class Painter:
    """Paints as napari's brush does, and accepts as the docks do."""

    def __init__(self) -> None:
        self.layer = Labels(np.zeros(SHAPE, np.uint8))
        self.layer.brush_size = 3
        self._due: list = []
        self.strokes = 0
        self.layer.events.paint.connect(self._count)
        self.guard = LockGuard(self.layer, self._due.append)

    def _count(self, event: object) -> None:
        self.strokes += 1

    def do(self, step: tuple) -> None:
        kind, *how = step
        getattr(self, kind)(*how)
        while self._due:
            self._due.pop(0)()

    def brush(self, position: int, row: int, column: int, value: int, depth: int) -> None:
        self.layer.n_edit_dimensions = depth
        with self.layer.block_history():
            self.layer.paint((position, row, column), value)
            self.layer.paint((position, row, min(column + 1, 4)), value)

    def dab(self, position: int, row: int, column: int, value: int) -> None:
        self.layer.data_setitem(tuple(np.array([[position], [row], [column]])), value)

    def fill(self, position: int, row: int, column: int, value: int) -> None:
        self.layer.n_edit_dimensions = 2
        self.layer.fill((position, row, column), value)

    def accept(self, positions: list[int], seed: int, mode: Mode) -> None:
        rng = np.random.default_rng(seed)
        proposed = {p: rng.integers(0, 4, SHAPE[1:], np.uint8) for p in positions}
        write_planes(self.layer, STACK, proposed, mode=mode, locks=Locks.of(self.layer))

    def cancel(self, steps: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        proposed = {p: rng.integers(0, 4, SHAPE[1:], np.uint8) for p in range(3)}
        locks = Locks.of(self.layer)
        job = write_job(self.layer, STACK, proposed, mode=Mode.OVERWRITE_ALL, locks=locks)
        before = self.layer.data.copy()
        for _ in zip(range(steps), job, strict=False):
            pass
        is_cut = is_being_written(self.layer)
        job.close()
        assert not is_cut or np.array_equal(self.layer.data, before)

    def lock(self, classes: set[int], planes: set[int]) -> None:
        Locks({STACK.key(p) for p in planes}, frozenset(classes)).put(self.layer)

    def undo(self) -> None:
        self.layer.undo()

    def redo(self) -> None:
        self.layer.redo()


def test_a_stroke_beside_an_approved_plane_is_left_alone() -> None:
    painter, told = Painter(), []
    painter.guard.kept.connect(told.append)
    painter.lock(set(), {1})
    painter.do(("brush", 0, 2, 2, 1, 2))
    assert painter.strokes == 1 and not told, "neither made again nor told of"
    painter.do(("brush", 0, 3, 2, 2, 3))
    assert len(told) == 1 and "approved plane" in told[0]
    assert not painter.layer.data[1].any() and painter.layer.data[0, 3, 2] == 2


_at = (st.integers(0, 2), st.integers(0, 5), st.integers(0, 4), st.integers(0, 3))
_steps = st.one_of(
    st.tuples(st.just("brush"), *_at, st.sampled_from([2, 3])),
    st.tuples(st.just("dab"), *_at),
    st.tuples(st.just("fill"), *_at),
    st.tuples(
        st.just("accept"),
        st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True),
        st.integers(0, 2**16),
        st.sampled_from(Mode),
    ),
    st.tuples(st.just("cancel"), st.integers(1, 3), st.integers(0, 2**16)),
    st.tuples(st.just("lock"), st.sets(st.integers(0, 3)), st.sets(st.integers(0, 2))),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_steps, max_size=12))
def test_undo_and_redo_are_exact_and_locks_hold_after_any_sequence(steps: list[tuple]) -> None:
    painter = Painter()
    layer = painter.layer
    states, now = [layer.data.copy()], 0
    for step in steps:
        before, locks = layer.data.copy(), Locks.of(layer)
        painter.strokes = 0
        painter.do(step)
        if step[0] == "undo":
            now = max(now - 1, 0)
        elif step[0] == "redo":
            now = min(now + 1, len(states) - 1)
        else:
            for key in locks.planes:
                assert np.array_equal(layer.data[key[0]], before[key[0]])
            for value in locks.classes:
                assert np.array_equal(layer.data == value, before == value)
            if painter.strokes:
                states, now = [*states[: now + 1], layer.data.copy()], now + 1
        assert np.array_equal(layer.data, states[now])
    for state in reversed(states[:now]):
        layer.undo()
        assert np.array_equal(layer.data, state)
