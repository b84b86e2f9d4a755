"""A case: image, labels, examples, proposal; without any window."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_medseg.engine.by_example.support import SupportSet, make_example
from napari_medseg.engine.results import Provenance
from napari_medseg.session.by_example.examples import Examples, Origin
from napari_medseg.session.by_example.jobs import example_job
from napari_medseg.session.by_example.prediction import Prediction
from napari_medseg.session.case import Case
from napari_medseg.session.edits import Mode
from napari_medseg.session.export.jobs import export_of
from napari_medseg.session.history.accepted import accepted
from napari_medseg.session.history.made import steps_of
from napari_medseg.session.layers.query import Query
from napari_medseg.session.layers.stack import Stack, stack_on_display
from napari_medseg.session.proposal import PlaneProposal

PLANES = Stack((1, 2), 0, (0, 0, 0), 4)
MADE = Provenance("by-example", "some-model", "abc", {"refine": True})


@pytest.fixture
def viewer() -> ViewerModel:
    viewer = ViewerModel()
    viewer.add_image(np.arange(4 * 6 * 5).reshape(4, 6, 5), name="scan", scale=(3, 1, 1))
    return viewer


@pytest.fixture
def case(viewer: ViewerModel) -> Case:
    case = Case()
    case.set_image(viewer.layers[0])
    return case


def propose(case: Case, viewer: ViewerModel, *positions: int, fresh: bool = False) -> Prediction:
    stack = stack_on_display(viewer.layers[0], viewer.dims)
    prediction = Prediction(case, stack, 1, fresh, MADE)
    for position in positions:
        prediction.take(PlaneProposal.of(position, np.full((1, 6, 5), 0.8, np.float32), [1]), 0.5)
    return prediction


def test_accept_writes_and_remembers_what_made_it(case: Case, viewer: ViewerModel) -> None:
    labels = case.new_labels()
    labels.metadata["mine"] = 1
    propose(case, viewer, 1, 2)
    assert case.accept([1]) == 30
    assert case.proposal is not None
    assert case.accept() == 30
    assert case.proposal is None
    first, second = accepted(labels)
    assert (first["model"], first["planes"]) == ("some-model", [[1, None, None]])
    assert second["accepted_with"] == {"threshold": 0.5, "mode": "keep"}
    assert labels.metadata["mine"] == 1
    assert labels.metadata["medseg"]["class_names"] == ["background", "class 1"]


def test_accept_without_labels_makes_them(case: Case, viewer: ViewerModel) -> None:
    propose(case, viewer, 0)
    case.accept()
    assert case.labels is not None
    assert tuple(case.labels.scale) == (3, 1, 1)


def test_nothing_proposed_makes_no_labels(case: Case, viewer: ViewerModel) -> None:
    propose(case, viewer, 1, 2)
    case.proposal.threshold = 0.9
    with pytest.raises(ValueError, match="The proposal is empty"):
        case.accept()
    assert case.labels is None
    assert case.proposal is not None
    case.proposal.threshold = 0.5
    assert case.accept() == 60


def test_a_failed_accept_keeps_the_proposal_and_the_labels(case: Case, viewer: ViewerModel) -> None:
    case.set_labels(Labels(np.zeros((2, 2), np.uint8), name="small"))
    propose(case, viewer, 0)
    with pytest.raises(ValueError, match="another size"):
        case.accept()
    assert case.proposal is not None
    assert not case.labels.data.any()


def test_planes_that_come_after_a_reject_or_for_another_image_go_nowhere(
    case: Case, viewer: ViewerModel
) -> None:
    late = PlaneProposal.of(3, np.ones((1, 6, 5), np.float32), [1])
    prediction = propose(case, viewer, 0)
    case.set_image(Image(np.zeros((4, 6, 5))))
    prediction.take(late, 0.5)
    assert case.proposal is None
    case.set_image(viewer.layers[0])
    prediction = propose(case, viewer, 0)
    case.reject()
    prediction.drop()
    prediction.take(late, 0.5)
    assert case.proposal is None


def test_a_plane_joins_the_open_proposal_and_a_volume_replaces_it(
    case: Case, viewer: ViewerModel
) -> None:
    propose(case, viewer, 0)
    propose(case, viewer, 2)
    assert case.proposal.positions == [0, 2]
    propose(case, viewer, 1, 3, fresh=True)
    assert case.proposal.positions == [1, 3]


def test_approved_planes_are_not_written_and_stay_approved_with_the_layer(
    case: Case, viewer: ViewerModel
) -> None:
    labels = case.new_labels()
    stack = stack_on_display(viewer.layers[0], viewer.dims)
    case.set_approved(stack.key(1), True)
    case.mode = Mode.OVERWRITE_ALL
    propose(case, viewer, 1, 2)
    assert case.accept() == 30
    assert not labels.data[1].any()
    other = Case()
    other.set_image(viewer.layers[0])
    other.set_labels(labels)
    assert set(other.approved) == {stack.key(1)}
    other.set_approved(stack.key(1), False)
    assert not case.approved


def test_paint_says_what_is_missing(case: Case, viewer: ViewerModel) -> None:
    stack = stack_on_display(viewer.layers[0], viewer.dims)
    with pytest.raises(ValueError, match="New labels"):
        case.paint(stack)
    labels = case.new_labels()
    with pytest.raises(ValueError, match="no paint"):
        case.paint(stack)
    labels.data_setitem(tuple(np.array([[stack.position], [2], [2]])), 1)
    assert case.paint(stack).sum() == 1
    with pytest.raises(ValueError, match="Open an image"):
        Case().new_labels()


def test_all_planes_of_a_volume_are_scaled_alike_and_a_photo_on_its_own(
    case: Case, viewer: ViewerModel
) -> None:
    image = viewer.layers[0]
    stack = stack_on_display(image, viewer.dims)
    mask = np.ones((6, 5), np.uint8)

    def example(query: Query):
        job = example_job(query, mask, "")
        while True:
            try:
                next(job)
            except StopIteration as end:
                return end.value

    low, high = example(Query.of(image, stack, case.known_ranges)).value_range
    assert low < 2
    assert high > 117
    image.contrast_limits = (20, 60)
    seen = example(Query.of(image, stack, case.known_ranges, displayed=True))
    assert seen.value_range == (20, 60)
    photo = Image(np.zeros((6, 5, 3), np.uint8), rgb=True)
    flat = stack_on_display(photo, ViewerModel().dims)
    assert example(Query.of(photo, flat, {})).value_range is None


def test_examples_of_one_plane_replace_each_other_and_classes_grow() -> None:
    image, key = Image(np.zeros((4, 6, 5))), (1, None, None)
    examples = Examples()
    pixels = np.arange(30).reshape(6, 5)
    assert examples.add(make_example(pixels, np.full((6, 5), 1)), Origin(image, key)) == 0
    assert examples.add(make_example(pixels, np.full((6, 5), 2)), Origin(image, key)) == 0
    assert len(examples) == 1
    assert examples.class_names == ("background", "class 1", "class 2")
    assert (examples.count(1), examples.count(2)) == (0, 1)
    assert "Examples show" in examples.why_not_removable(2)
    with pytest.raises(ValueError, match="Label 200 has no row"):
        examples.add(make_example(pixels, np.full((6, 5), 200)))


def test_an_example_that_came_back_is_known_again_on_its_plane() -> None:
    image, key = Image(np.zeros((4, 6, 5))), (1, None, None)
    pixels, mask = np.arange(30).reshape(6, 5), np.ones((6, 5), np.uint8)
    examples = Examples()
    examples.load(SupportSet(class_names=("background", "class 1")).add(pixels, mask))
    assert examples.positions_in(image, PLANES) == []
    assert examples.add(make_example(pixels, mask), Origin(image, key)) == 0
    assert len(examples) == 1
    assert examples.positions_in(image, PLANES) == [1]
    examples.add(make_example(pixels, 2 * mask), Origin(image, key))
    examples.load(SupportSet(class_names=("background", "class 1")).add(pixels, mask))
    assert examples.add(make_example(pixels, mask), Origin(image, key)) == 0
    assert len(examples) == 1


def test_loading_examples_with_other_class_names_is_refused_whole() -> None:
    examples = Examples()
    pixels, mask = np.arange(30).reshape(6, 5), np.ones((6, 5), np.uint8)
    examples.rename_class(1, "lesion")
    examples.add(make_example(pixels, mask))
    theirs = SupportSet(class_names=("background", "liver")).add(pixels, mask)
    with pytest.raises(ValueError, match=r"“lesion” here but “liver”"):
        examples.load(theirs)
    assert len(examples) == 1
    examples.remove(0)
    with pytest.raises(ValueError, match=r"“lesion” here but “liver”.*: rename the class"):
        examples.load(theirs)
    examples.rename_class(1, "class 1")
    examples.load(theirs)
    assert examples.class_names == ("background", "liver")


def labels_named(*names: str) -> Labels:
    notes = {"medseg": {"class_names": ["background", *names]}}
    return Labels(np.zeros((4, 6, 5), np.uint8), metadata=notes)


def test_labels_keep_the_names_they_came_with(case: Case) -> None:
    heart, skin = labels_named("left ventricle", "myocardium"), labels_named("lesion")
    case.set_labels(heart)
    assert case.examples.class_names == ("background", "left ventricle", "myocardium")
    case.set_labels(skin)
    assert case.examples.class_names == ("background", "lesion")
    assert skin.metadata["medseg"]["class_names"] == ["background", "lesion"]
    case.set_labels(labels_named("class 1"))
    assert case.labels.metadata["medseg"]["class_names"] == ["background", "lesion"]


def test_labels_keep_their_names_beside_examples_of_another_task(case: Case) -> None:
    case.examples.rename_class(1, "left ventricle")
    pixels, mask = np.arange(30).reshape(6, 5), np.ones((6, 5), np.uint8)
    case.examples.add(make_example(pixels, mask))
    skin = labels_named("lesion", "scale")
    case.set_labels(skin)
    assert case.examples.class_names == ("background", "left ventricle")
    assert skin.metadata["medseg"]["class_names"] == ["background", "lesion", "scale"]
    assert "calls class 1 “lesion”, the examples “left ventricle”" in case.why_other_names()
    case.examples.remove(0)
    assert case.examples.class_names == ("background", "lesion", "scale")
    assert not case.why_other_names()
    case.set_labels(None)
    case.examples.remove_class(2)
    case.examples.rename_class(1, "left ventricle")
    case.examples.add(make_example(pixels, mask))
    case.set_labels(labels_named("left ventricle", "hair"))
    assert "calls class 2 “hair”, no example shows it" in case.why_other_names()
    case.set_labels(labels_named("left ventricle"))
    assert not case.why_other_names()


def test_what_was_undone_is_no_part_of_the_history(case: Case, viewer: ViewerModel) -> None:
    labels = case.new_labels()
    propose(case, viewer, 1)
    case.accept()
    propose(case, viewer, 2)
    case.accept()
    labels.undo()
    assert [entry["planes"] for entry in accepted(labels)] == [[[1, None, None]]]
    assert len(steps_of(labels)) == 1
    made = export_of(labels, None).provenance
    assert [entry["planes"] for entry in made["accepted"]] == [[[1, None, None]]]
    labels.redo()
    assert len(accepted(labels)) == 2
    labels.undo()
    labels.undo()
    assert accepted(labels) == [] and not export_of(labels, None).provenance
    propose(case, viewer, 1)
    case.accept()
    assert [entry["planes"] for entry in accepted(labels)] == [[[1, None, None]]]


def test_what_was_painted_over_in_part_stays_in_the_history(
    case: Case, viewer: ViewerModel
) -> None:
    labels = case.new_labels()
    propose(case, viewer, 1)
    case.accept()
    labels.data[1, :, :4] = 0
    assert len(accepted(labels)) == 1
    labels.data = np.zeros((1, 2, 3), np.uint8)
    assert len(accepted(labels)) == 1, "other labels say nothing"


def test_what_a_person_corrects_was_not_undone(case: Case, viewer: ViewerModel) -> None:
    labels = case.new_labels()
    propose(case, viewer, 1, 2)
    case.accept([1])
    where = np.nonzero(labels.data)
    labels.data_setitem(where, 2)
    assert not case.propose_undone()
    assert len(accepted(labels)) == 1, "the outline is still the method's"
    labels.data_setitem(where, 0)
    assert not case.propose_undone(), "erased, but not undone"
    labels.undo()
    labels.undo()
    labels.undo()
    assert case.propose_undone()


def test_a_name_is_given_to_one_class_alone(case: Case) -> None:
    case.examples.add_class()
    with pytest.raises(ValueError, match="Class 2 is called “class 2” already"):
        case.examples.rename_class(1, "class 2")
    assert case.examples.class_names == ("background", "class 1", "class 2")
    case.examples.name_classes({1: "class 2", 2: "class 1"})
    assert case.examples.class_names == ("background", "class 2", "class 1")


def test_what_is_undone_is_proposed_again(case: Case, viewer: ViewerModel) -> None:
    labels = case.new_labels()
    propose(case, viewer, 1, 2)
    before = case.proposal.labels(1)
    case.accept_component(1, 2, 2)
    assert not case.proposal.labels(1).any()
    assert not case.propose_undone(), "nothing was undone"
    labels.undo()
    assert case.propose_undone()
    np.testing.assert_array_equal(case.proposal.labels(1), before)
    case.accept([1])
    case.accept([2])
    assert case.proposal is None
    labels.undo()
    assert case.propose_undone()
    assert case.proposal.positions == [2]
    labels.undo()
    case.reject()
    assert not case.propose_undone(), "she does not want it any more"


def test_what_is_redone_is_proposed_no_more(case: Case, viewer: ViewerModel) -> None:
    labels = case.new_labels()
    propose(case, viewer, 1, 2)
    case.accept_component(1, 2, 2)
    left = case.proposal.labels(1)
    case.accept([2])
    for _ in range(2):
        labels.undo()
        assert case.propose_undone()
        case.accept_redone()
    assert case.proposal.positions == [1, 2] and case.proposal.labels(1)[2, 2]
    labels.redo()
    case.accept_redone()
    np.testing.assert_array_equal(case.proposal.labels(1), left)
    assert case.proposal.positions == [1, 2]
    labels.redo()
    case.accept_redone()
    assert case.proposal.positions == [1]
    labels.undo()
    assert case.propose_undone()
    assert case.proposal.positions == [1, 2]
    case.accept([1])
    case.accept([2])
    labels.undo()
    assert case.propose_undone()
    labels.redo()
    case.accept_redone()
    assert case.proposal is None


def test_what_is_painted_by_hand_was_not_redone(case: Case, viewer: ViewerModel) -> None:
    labels = case.new_labels()
    propose(case, viewer, 1, 2)
    case.accept([1])
    written = labels.data.copy()
    labels.undo()
    assert case.propose_undone()
    labels.data_setitem(np.nonzero(written), written[np.nonzero(written)])
    case.accept_redone()
    assert case.proposal.positions == [1, 2]


@pytest.fixture
def other(case: Case) -> Case:
    """Another dock's case, on the same image and labels."""
    other = Case()
    other.set_image(case.image)
    other.set_labels(case.new_labels())
    return other


def test_docks_on_the_same_labels_share_the_names_of_their_classes(case: Case, other: Case) -> None:
    case.examples.rename_class(1, "kidney")
    assert other.examples.add_class() == 2
    other.examples.rename_class(2, "cavity")
    assert case.examples.class_names == ("background", "kidney", "cavity")
    assert case.examples.add_class() == 3
    case.examples.remove_class(3)
    assert other.examples.class_names == ("background", "kidney", "cavity")
    assert case.labels is not None
    assert case.labels.metadata["medseg"]["class_names"] == ["background", "kidney", "cavity"]


def test_a_class_that_examples_show_stays_when_another_dock_removes_it(
    case: Case, other: Case
) -> None:
    case.examples.add_class()
    case.examples.add(make_example(np.eye(5), 2 * np.eye(5, dtype=int)))
    other.examples.remove_class(2)
    assert case.examples.class_names == other.examples.class_names
    assert other.examples.class_names == ("background", "class 1", "class 2")


def test_a_dock_that_was_closed_changes_no_names(case: Case, other: Case) -> None:
    other.forget_listeners()
    case.examples.rename_class(1, "kidney")
    other.examples.rename_class(1, "liver")
    assert case.examples.class_names == ("background", "kidney")


def test_another_dock_neither_renames_nor_removes_what_examples_show(
    case: Case, other: Case
) -> None:
    case.examples.rename_class(1, "lesion")
    case.examples.add_class()
    case.examples.rename_class(2, "vessel")
    case.examples.add(make_example(np.eye(5), np.eye(5, dtype=int)))
    other.examples.name_classes({1: "left lung"})
    other.examples.remove_class(2)
    assert case.examples.class_names == ("background", "lesion", "vessel")
    assert "left lung" in case.why_other_names()
    case.examples.add_class()
    assert other.examples.class_names == ("background", "left lung")


def test_an_example_without_a_plane_of_its_own_is_known_by_its_image(
    case: Case, viewer: ViewerModel
) -> None:
    image, mask = np.arange(30.0).reshape(6, 5), np.ones((6, 5), int)
    scan = viewer.layers[0]
    case.examples.add(make_example(image, mask))
    mask[0] = 0
    case.examples.add(make_example(image, mask), Origin(scan, (1, None, None)))
    assert len(case.examples) == 1
    case.examples.add(make_example(image, mask), Origin(scan, (2, None, None)))
    assert len(case.examples) == 2, "two planes that look alike are two"


def test_examples_without_names_come_beside_a_class_that_has_one(case: Case) -> None:
    case.examples.rename_class(1, "lesion")
    plain = SupportSet(class_names=["background", "class 1"])
    plain.add(np.eye(5), np.eye(5, dtype=int))
    assert case.examples.load(plain) == 1
    assert case.examples.class_names == ("background", "lesion")
