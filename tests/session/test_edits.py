"""Writing into the user's labels."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Labels

from napari_medseg.session.edits import Locks, Mode, merged, why_not_writable, write_planes
from napari_medseg.session.stack import Stack

SHAPE = (3, 6, 5)
STACK = Stack(axes=(1, 2), axis=0, at=(0, 0, 0), n_planes=3)


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


strokes = st.tuples(
    st.just("paint"), st.integers(0, 2), st.integers(0, 5), st.integers(0, 4), st.integers(0, 3)
)
accepts = st.tuples(
    st.just("accept"),
    st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True),
    st.integers(0, 2**16),
    st.sampled_from(Mode),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(strokes, accepts), max_size=8))
def test_undo_and_redo_restore_exactly_after_any_sequence(steps: list[tuple]) -> None:
    layer = Labels(np.zeros(SHAPE, np.uint8))
    locks = Locks(planes={STACK.key(1)}, classes={3})
    states = [layer.data.copy()]
    for kind, *step in steps:
        before = layer.data.copy()
        if kind == "paint":
            position, row, column, value = step
            layer.data_setitem((np.array([position]), np.array([row]), np.array([column])), value)
        else:
            positions, seed, mode, locked = step
            rng = np.random.default_rng(seed)
            proposed = {p: rng.integers(0, 4, SHAPE[1:], np.uint8) for p in positions}
            write_planes(layer, STACK, proposed, mode=mode, locks=locks if locked else None)
            if locked:
                assert np.array_equal(layer.data[1], before[1])
                assert np.array_equal(layer.data == 3, before == 3)
        if not np.array_equal(layer.data, before):
            states.append(layer.data.copy())
    for state in reversed(states[:-1]):
        layer.undo()
        assert np.array_equal(layer.data, state)
    for state in states[1:]:
        layer.redo()
        assert np.array_equal(layer.data, state)
