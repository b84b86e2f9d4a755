"""Labels go with the image they were made on, whatever else has the same size."""

from __future__ import annotations

import gc

import numpy as np
from napari.layers import Image, Labels
from napari.layers._source import layer_source

from napari_medseg.session.journal.recognise import image_of
from napari_medseg.session.layers.channels import channel_layer, channels_of
from napari_medseg.session.layers.geometry_of import lie_alike
from napari_medseg.session.layers.layer_kinds import derived
from napari_medseg.session.layers.owners import (
    image_for,
    likeliest,
    may_belong,
    note_owner,
    note_same_owner,
    owner_name,
    owner_of,
)
from napari_medseg.session.training.open_cases import painted_pairs


def _image(name: str, **more: object) -> Image:
    return Image(np.zeros((6, 7), np.float32), name=name, **more)


def _labels() -> Labels:
    return Labels(np.ones((6, 7), np.uint8))


def test_what_was_noted_first_stays_while_that_image_is_there() -> None:
    first, second, labels = _image("first"), _image("second"), _labels()
    assert may_belong(labels, first) and may_belong(labels, second)
    note_owner(labels, first)
    note_owner(labels, second)
    assert owner_of(labels) is first
    assert not may_belong(labels, second)
    assert image_for(labels, [second, first]) is first


def test_labels_of_an_image_that_was_closed_go_with_no_other() -> None:
    first, second, labels, objects = _image("first"), _image("second"), _labels(), _labels()
    note_owner(labels, first)
    note_same_owner(objects, labels)
    del first
    gc.collect()
    for layer in (labels, objects):
        assert owner_of(layer) is None and owner_name(layer) == "first"
        assert image_for(layer, [second]) is None and not may_belong(layer, second)
        note_owner(layer, second)
        assert not may_belong(layer, second)


def test_an_image_that_is_opened_again_is_known_by_its_file() -> None:
    def opened(path: str, series: str = "") -> Image:
        return _image("scan", metadata={"medseg": {"source": {"path": path, "series": series}}})

    labels = _labels()
    first = opened("/a", "1")
    note_owner(labels, first)
    note_owner(labels, opened("/a", "1"))
    assert owner_of(labels) is first, "as long as it is there"
    del first
    gc.collect()
    assert not may_belong(labels, opened("/a", "2")) and not may_belong(labels, opened("/b", "1"))
    again = opened("/a", "1")
    assert image_for(labels, [opened("/b"), again]) is again
    note_owner(labels, again)
    assert owner_of(labels) is again


def test_what_came_from_no_file_is_known_by_name_and_size() -> None:
    labels = _labels()
    note_owner(labels, _image("scan"))
    gc.collect()
    assert may_belong(labels, _image("scan")) and not may_belong(labels, _image("other"))
    assert not may_belong(labels, Image(np.zeros((9, 9)), name="scan"))


def test_layers_that_a_reader_made_of_one_file_are_told_apart() -> None:
    def opened(name: str) -> Image:
        with layer_source(path="/a.czi"):
            return _image(name)

    labels, first = _labels(), opened("green")
    note_owner(labels, first)
    assert not may_belong(labels, opened("red"))
    assert may_belong(labels, opened("green [1]"))


def test_labels_of_one_channel_are_not_those_of_another() -> None:
    whole = Image(np.zeros((2, 6, 7)), axis_labels=("c", "y", "x"), metadata=_of_file("/a"))
    one, other = (channel_layer(whole, channel) for channel in channels_of(whole))
    labels = _labels()
    note_owner(labels, one)
    assert not may_belong(labels, other) and not may_belong(labels, whole)
    assert painted_pairs([one, other, labels]) == [(one, labels)]


def _of_file(path: str) -> dict[str, object]:
    return {"medseg": {"source": {"path": path}}}


def test_of_others_the_first_in_sight_that_is_no_result_is_likeliest() -> None:
    result = _image("probability", metadata=derived())
    hidden, seen = _image("hidden", visible=False), _image("seen")
    assert likeliest([result, hidden, seen]) is seen
    assert likeliest([result, hidden]) is hidden
    assert likeliest([result]) is None
    assert image_for(_labels(), [hidden, seen]) is seen


def test_unsaved_labels_and_training_pairs_go_with_their_image() -> None:
    first, second, labels = _image("first"), _image("second"), _labels()
    note_owner(labels, first)
    layers = [first, second, labels]
    assert image_of(labels, layers) is first
    assert [(image.name, found) for image, found in painted_pairs(layers)] == [("first", labels)]


def test_layers_lie_alike_where_their_files_say_so() -> None:
    first = _image("first", scale=(2, 1))
    assert lie_alike(first, _image("second", scale=(2, 1)))
    assert not lie_alike(first, _image("second", scale=(2, 1.5)))


def test_layers_over_time_lie_alike_where_they_are_shown_alike() -> None:
    units = ("s", "um")
    first = _image("first", scale=(1, 0.5), units=units)
    assert lie_alike(first, _image("second", scale=(1, 0.5), units=units))
    assert not lie_alike(first, _image("second", scale=(1, 2), units=units))
    assert not lie_alike(first, _image("second", scale=(1, 0.5), translate=(0, 9), units=units))
