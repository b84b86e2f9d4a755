from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_medseg.engine import canvas
from napari_medseg.engine.by_example.held_out import dice
from napari_medseg.engine.by_example.job import by_example_job, segment_by_example
from napari_medseg.engine.by_example.options import ByExampleOptions
from napari_medseg.engine.by_example.passes import Predictor
from napari_medseg.engine.by_example.support import SupportError, SupportSet
from napari_medseg.engine.results import PlanePreview, Progress, Segmentation
from napari_medseg.engine.scaling import robust_range
from tests.engine.conftest import disc, make_colour_plane, make_plane

FINDS = ByExampleOptions(model="intensity", device="cpu")
RANDOM = ByExampleOptions(model="random", device="cpu", refine=False)


def finished(job: Iterator[Progress]) -> tuple[Segmentation, list[Progress]]:
    told = []
    while True:
        try:
            told.append(next(job))
        except StopIteration as stop:
            return stop.value, told


def small_support(colours: bool = False) -> SupportSet:
    image, mask = make_colour_plane(0) if colours else make_plane(0)
    return SupportSet().add(image, mask)


def test_what_the_examples_show_is_found(support: SupportSet) -> None:
    image, mask = make_plane(9)
    result = segment_by_example(image, support, model="intensity")
    assert result.labels.dtype == np.uint8
    assert result.class_names == ("background", "disc")
    assert dice(result.labels == 1, mask == 1) > 0.9


def test_the_result_says_what_made_it(support: SupportSet) -> None:
    result = segment_by_example(make_plane(9)[0], support, model="intensity", threshold=0.4)
    made = result.provenance
    assert (made.method, made.model) == ("by-example", "intensity")
    assert len(made.weights_sha256) == 64
    assert made.software.startswith("napari-medseg")
    assert made.parameters["threshold"] == 0.4
    assert made.parameters["support_sha256"] == support.content_hash
    assert made.parameters["looks"]["disc"]["colour"] == "grey"


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    depth=st.one_of(st.none(), st.integers(1, 3)),
    channels=st.sampled_from([0, 3, 4]),
    dtype=st.sampled_from(["bool", "uint8", "int16", "uint32", "int64", "float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_labels_have_the_shape_of_the_image(
    shape: tuple[int, int], depth: int | None, channels: int, dtype: str, seed: int
) -> None:
    spatial = shape if depth is None else (depth, *shape)
    colours = (channels,) if channels else ()
    values = np.random.default_rng(seed).uniform(0, 100, (*spatial, *colours))
    image = values > 50 if dtype == "bool" else values.astype(dtype)
    result = segment_by_example(image, small_support(), rgb=bool(channels), **vars(RANDOM))
    assert result.labels.shape == spatial
    assert result.probabilities is not None
    assert result.probabilities.shape == (1, *spatial)
    assert result.probabilities.dtype == np.float32
    assert ((result.probabilities >= 0) & (result.probabilities <= 1)).all()


def test_the_order_of_the_examples_changes_no_byte(support: SupportSet) -> None:
    image = make_plane(9)[0]
    turned = SupportSet(reversed(support.examples), support.class_names)
    first = segment_by_example(image, support, **vars(RANDOM))
    second = segment_by_example(image, turned, **vars(RANDOM))
    assert first.probabilities.tobytes() == second.probabilities.tobytes()


def test_the_same_call_gives_the_same_bytes(support: SupportSet) -> None:
    image = make_plane(9)[0]
    options = {**vars(RANDOM), "ensemble": 3, "flips": True}
    first = segment_by_example(image, support, **options)
    second = segment_by_example(image, support.snapshot(), **options)
    assert first.probabilities.tobytes() == second.probabilities.tobytes()


def test_flips_make_the_answer_follow_a_mirrored_image(support: SupportSet) -> None:
    image = make_plane(9)[0]
    mirrored_support = SupportSet(class_names=support.class_names)
    for example in support:
        mirrored_support.add(example.image[:, ::-1], example.mask[:, ::-1])
    options = {**vars(RANDOM), "flips": True}
    straight = segment_by_example(image, support, **options)
    mirrored = segment_by_example(image[:, ::-1], mirrored_support, **options)
    np.testing.assert_allclose(straight.probabilities, mirrored.probabilities[..., ::-1], atol=1e-5)


def test_several_classes_are_told_apart() -> None:
    def scene(shift: int) -> tuple[np.ndarray, np.ndarray]:
        mask = np.zeros((64, 64), np.uint8)
        mask[disc((64, 64), (20 + shift, 20), 9)] = 1
        mask[disc((64, 64), (42, 44 - shift), 8)] = 2
        return np.choose(mask, (40, 120, 220)).astype(np.uint16), mask

    support = SupportSet(class_names=("background", "grey one", "white one"))
    support.add(*scene(0)).add(*scene(3))
    image, mask = scene(6)
    result = segment_by_example(image, support, **vars(FINDS))
    assert dice(result.labels == 2, mask == 2) > 0.8
    assert result.probabilities.shape == (2, 64, 64)


def test_a_class_without_examples_is_never_found(support: SupportSet) -> None:
    named = SupportSet(support, ("background", "disc", "not painted yet"))
    result = segment_by_example(make_plane(9)[0], named, **vars(FINDS))
    assert result.class_names == ("background", "disc", "not painted yet")
    assert result.probabilities.shape[0] == 2
    assert not result.probabilities[1].any()


def test_a_volume_is_filled_in_the_order_asked(support: SupportSet) -> None:
    volume = np.stack([make_plane(seed)[0] for seed in range(10, 15)])
    job = by_example_job(volume, support, FINDS, planes=[3, 1, 4])
    result, told = finished(job)
    previews = [step.preview for step in told if step.preview is not None]
    assert all(isinstance(preview, PlanePreview) for preview in previews)
    assert [preview.index for preview in previews] == [3, 1, 4]
    assert [step.done for step in told if step.preview is not None] == [1, 2, 3]
    assert all(0 <= step.done <= step.total == 3 for step in told)
    assert not result.labels[[0, 2]].any()
    assert all(result.labels[index].any() for index in (1, 3, 4))
    np.testing.assert_array_equal(previews[0].probabilities, result.probabilities[:, 3])


def test_a_plane_alone_is_labelled_as_in_its_volume(support: SupportSet) -> None:
    volume = np.stack([make_plane(seed)[0] for seed in range(10, 13)])
    whole = segment_by_example(volume, support, **vars(FINDS))
    alone = segment_by_example(volume[1], support, value_range=robust_range(volume), **vars(FINDS))
    np.testing.assert_array_equal(whole.labels[1], alone.labels)


def test_cancelled_after_some_planes_no_more_is_read(support: SupportSet) -> None:
    class Counting:
        def __init__(self, volume: np.ndarray) -> None:
            self.volume, self.shape, self.dtype = volume, volume.shape, volume.dtype
            self.planes: list[int] = []

        def __getitem__(self, index: Any) -> np.ndarray:
            if isinstance(index, int):
                self.planes.append(index)
            return self.volume[index]

    volume = Counting(np.stack([make_plane(seed)[0] for seed in range(6)]))
    job = by_example_job(volume, support, FINDS)
    for step in job:
        if step.done == 2:
            job.close()
            break
    assert volume.planes == [0, 1]
    assert list(job) == []


def test_every_pass_of_the_net_can_be_cancelled(
    support: SupportSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    run = Predictor._run

    def counted(self: Predictor, batch: list[Any]) -> Any:
        asked.append(len(batch))
        return run(self, batch)

    monkeypatch.setattr(Predictor, "_run", counted)
    job = by_example_job(make_plane(9)[0], support, FINDS)
    before = 0
    for step in job:
        assert len(asked) - before <= 1
        before = len(asked)
        assert step.total == 1
    assert before > 2


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (7, 300)])
def test_tiny_and_narrow_planes(support: SupportSet, shape: tuple[int, int]) -> None:
    image = np.arange(np.prod(shape)).reshape(shape)
    assert segment_by_example(image, support, **vars(RANDOM)).labels.shape == shape


@pytest.mark.parametrize("value", [0, 5, np.nan, np.inf])
def test_a_constant_image_gives_an_empty_mask(support: SupportSet, value: float) -> None:
    image = np.full((20, 30), float(value))
    for _ in range(2):
        result = segment_by_example(image, support, threshold=0.0, model="random")
        assert not result.labels.any()
        image[3, 4] = np.nan


def test_pixels_that_are_not_finite_are_background(support: SupportSet) -> None:
    image = make_plane(9)[0].astype(np.float32)
    image[:20, :] = np.nan
    image[60:, 5] = np.inf
    result = segment_by_example(image, support, threshold=0.0, model="random")
    assert not result.labels[:20].any()
    assert not result.labels[60:, 5].any()
    assert result.labels[20:60].all()


def test_examples_may_hold_values_that_are_not_finite() -> None:
    image, mask = make_plane(0)
    broken = image.astype(np.float64)
    broken[:5] = np.nan
    result = segment_by_example(make_plane(9)[0], SupportSet().add(broken, mask), model="intensity")
    assert np.isfinite(result.probabilities).all()
    assert result.labels.any()


def test_transparency_plays_no_part() -> None:
    image, _ = make_colour_plane(5)
    see_through = np.dstack([image, np.random.default_rng(0).integers(0, 255, (64, 64, 1))])
    support = small_support(colours=True)
    plain = segment_by_example(image, support, **vars(FINDS))
    clear = segment_by_example(see_through.astype(np.uint8), support, **vars(FINDS))
    assert plain.probabilities.tobytes() == clear.probabilities.tobytes()


def test_learned_colours_find_what_is_not_brighter() -> None:
    support = SupportSet()
    for seed in range(3):
        support.add(*make_colour_plane(seed))
    image, mask = make_colour_plane(7)
    scores = {
        colour: dice(
            segment_by_example(image, support, model="intensity", colour=colour).labels == 1,
            mask == 1,
        )
        for colour in ("grey", "learned", "auto")
    }
    assert scores["grey"] < 0.5
    assert scores["learned"] > 0.9
    assert scores["auto"] == scores["learned"]


def test_colour_and_grey_can_be_mixed() -> None:
    colour, mask = make_colour_plane(0)
    for image in (colour, colour[..., 0]):
        for example in (colour, colour[..., 1]):
            result = segment_by_example(image, SupportSet().add(example, mask), **vars(RANDOM))
            assert result.labels.shape == (64, 64)


def test_a_colour_volume() -> None:
    volume = np.stack([make_colour_plane(seed)[0] for seed in range(3)])
    result = segment_by_example(volume, small_support(colours=True), **vars(FINDS))
    assert result.labels.shape == (3, 64, 64)


def test_more_examples_than_a_pass_holds(support: SupportSet) -> None:
    many = SupportSet(class_names=support.class_names)
    for _ in range(25):
        for example in support:
            many.add(example.image, example.mask)
    result = segment_by_example(make_plane(9)[0], many, **{**vars(FINDS), "refine": False})
    assert result.labels.any()


def test_the_preparation_is_reused(support: SupportSet) -> None:
    image = make_plane(9)[0]
    first = finished(by_example_job(image, support.snapshot(), FINDS))[1]
    again = finished(by_example_job(image, support.snapshot(), FINDS))[1]
    assert any("leaving examples out" in step.message for step in first)
    assert not any("leaving examples out" in step.message for step in again)
    support.add(*make_plane(20))
    changed = finished(by_example_job(image, support, FINDS))[1]
    assert any("leaving examples out" in step.message for step in changed)


def test_probabilities_can_be_left_out(support: SupportSet) -> None:
    result = segment_by_example(
        make_plane(9)[0], support, model="intensity", keep_probabilities=False
    )
    assert result.probabilities is None
    assert result.labels.any()


def test_probabilities_that_do_not_fit_are_left_out_and_the_user_is_told(
    support: SupportSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas, "fits", lambda n_bytes: False)
    result, told = finished(by_example_job(make_plane(9)[0], support, FINDS))
    assert result.probabilities is None
    assert result.labels.any()
    assert any("do not fit into memory" in step.message for step in told)


def test_without_examples_there_is_one_sentence() -> None:
    with pytest.raises(SupportError, match="no example yet"):
        segment_by_example(np.zeros((5, 5)), SupportSet(), model="intensity")


@pytest.mark.parametrize(
    ("image", "options", "words"),
    [
        (np.zeros(5), {}, "plane .H, W. or a volume"),
        (np.zeros((2, 3, 4, 5)), {}, "plane .H, W. or a volume"),
        (np.zeros((2, 3, 4, 3)), {"rgb": False}, "plane .H, W. or a volume"),
        (np.zeros((5, 6)), {"rgb": True}, "plane .H, W. or a volume"),
        (np.zeros((0, 6)), {}, "no pixels"),
        (np.zeros((5, 6), complex), {}, "cannot be segmented"),
        (np.zeros((3, 5, 6)), {"planes": [3]}, "no plane 3"),
        (np.zeros((3, 5, 6)), {"planes": [1, 1]}, "twice"),
        (np.zeros((5, 6)), {"value_range": (2, 1)}, "value range"),
        (np.zeros((5, 6)), {"threshold": 2}, "threshold"),
        (np.zeros((5, 6)), {"refine": "often"}, "refine"),
        (np.zeros((5, 6)), {"colour": "red"}, "colour"),
        (np.zeros((5, 6)), {"ensemble": 0}, "ensemble"),
        (np.zeros((5, 6)), {"device": "abacus"}, "no device named 'abacus'"),
        (np.zeros((5, 6)), {"precision": "int8"}, "precision"),
        (np.zeros((5, 6)), {"model": "missing"}, "no model named 'missing'"),
        (np.zeros((5, 6)), {"model": "skin-lesion"}, "'skin-lesion' takes no examples"),
    ],
)
def test_a_wrong_request_is_one_sentence(
    support: SupportSet, image: np.ndarray, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        segment_by_example(image, support, **{"model": "intensity", **options})
    assert "\n" not in str(caught.value)
