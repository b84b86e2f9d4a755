"""Segmentation with pretrained models: what users rely on, with nets whose answers are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_medseg as medseg
from napari_medseg.engine.results import Segmentation
from napari_medseg.engine.with_model.job import segment, segment_job
from napari_medseg.engine.with_model.options import SegmentOptions
from napari_medseg.zoo import architectures
from napari_medseg.zoo.cards import CardError, ModelCard
from napari_medseg.zoo.weights import WeightsError
from tests.engine.conftest import disc
from tests.engine.pretrained import BrightNet, MeanNet, write_pretrained
from tests.zoo.nets import SMALL, small_net

EIGHT_BIT = {"kind": "divide", "by": 255}
THREE: dict[str, Any] = {
    "net_options": {"n_classes": 3},
    "classes": ("bright", "dark"),
    "output": {"activation": "softmax"},
}


@pytest.fixture(autouse=True)
def nets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BrightNet", "MeanNet"):
        monkeypatch.setitem(architectures.NETS, name, "tests.engine.pretrained")


def bright(
    root: Path, net: torch.nn.Module | None = None, *, name: str = "m", **fields: Any
) -> ModelCard:
    stated = {"size": [32, 32], "scaling": EIGHT_BIT} | fields.pop("input", {})
    return write_pretrained(root, name, net or BrightNet(), input=stated, **fields)


def finish(job: Any) -> tuple[list[medseg.Progress], Segmentation]:
    steps = []
    while True:
        try:
            steps.append(next(job))
        except StopIteration as stop:
            return steps, stop.value


@pytest.fixture
def plane() -> np.ndarray:
    return np.where(disc((60, 90), (30, 50), 15), 220, 30).astype(np.uint8)


@pytest.mark.parametrize("fit", ["tile", "resize"])
def test_what_the_net_sees_is_found_where_it_is(
    tmp_path: Path, plane: np.ndarray, fit: str
) -> None:
    card = bright(tmp_path, input={"fit": fit, "size": [48, 48]})
    found = medseg.segment(plane, card)
    assert found.labels.shape == plane.shape
    assert found.labels.dtype == np.uint8
    assert found.probabilities is not None
    assert found.probabilities.shape == (1, *plane.shape)
    assert found.class_names == ("background", "bright")
    wrong = (found.labels != (plane > 100)).mean()
    assert wrong == 0 if fit == "tile" else wrong < 0.02


def test_the_result_says_what_made_it(tmp_path: Path, plane: np.ndarray) -> None:
    card = bright(tmp_path, input={"fit": "tile"})
    made = segment(plane, card, device="cpu", flips=True).provenance
    assert (made.method, made.model, made.weights_sha256) == ("segment", "m", card.sha256)
    assert made.parameters["value_range"] == [0, 255]
    assert made.parameters["tile"] == [32, 32]
    json.dumps(made.as_dict())


def test_softmax_gives_each_pixel_its_most_probable_class(tmp_path: Path) -> None:
    card = bright(tmp_path, BrightNet(3), input={"fit": "tile"}, **THREE)
    image = np.zeros((40, 60), np.uint8)
    image[:, 20:40] = 128
    image[:, 40:] = 255
    found = segment(image, card)
    np.testing.assert_array_equal(found.labels[0, [0, 30, 59]], [2, 0, 1])
    assert found.probabilities is not None
    assert found.probabilities.shape == (2, 40, 60)
    assert found.probabilities[:, 0, 30].sum() < 0.1
    assert segment(image, card, threshold=0.999).labels.max() == 0


def test_tiles_agree_with_monai(tmp_path: Path) -> None:
    """The reference is MONAI's sliding window over the same net, Gaussian weights."""
    from monai.inferers import sliding_window_inference

    net = small_net("UNet bilinear")
    fields = {"net_options": SMALL["UNet bilinear"][1], "classes": ("a", "b")}
    stated = {"size": [48, 64], "fit": "tile", "multiple": 16, "overlap": 0.4}
    fields |= {"output": {"activation": "softmax"}, "input": stated | {"scaling": EIGHT_BIT}}
    card = write_pretrained(tmp_path, "u", net, **fields)
    image = np.random.default_rng(0).integers(0, 256, (131, 97), np.uint8)
    with torch.inference_mode():
        expected = sliding_window_inference(
            torch.from_numpy(image / np.float32(255))[None, None],
            (48, 64),
            3,
            lambda x: net(x).softmax(1),
            overlap=0.4,
            mode="gaussian",
        )[0]
    found = segment(image, card)
    np.testing.assert_allclose(found.probabilities, expected[1:], atol=1e-5)
    np.testing.assert_array_equal(found.labels, expected.argmax(0))


def test_batches_give_what_single_tiles_give(tmp_path: Path, plane: np.ndarray) -> None:
    card = bright(tmp_path, MeanNet(), input={"fit": "tile", "size": [16, 16]})
    one, many = (segment(plane, card, batch=batch) for batch in (1, 5))
    np.testing.assert_allclose(one.probabilities, many.probabilities, atol=1e-6)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("fit", ["tile", "resize"])
def test_a_volume_is_segmented_along_any_axis(tmp_path: Path, axis: int, fit: str) -> None:
    card = bright(tmp_path, MeanNet(), input={"fit": fit})
    volume = np.full((3, 4, 5), 20, np.uint8)
    volume[2, 3, 4] = 90
    np.moveaxis(volume, axis, 0)[1] = 230
    np.moveaxis(volume, axis, 0)[1, 0, 0] = 229
    steps, found = finish(segment_job(volume, SegmentOptions(card), axis=axis))
    assert found.labels.shape == volume.shape
    assert found.probabilities is not None
    assert found.probabilities.shape == (1, *volume.shape)
    per_plane = np.moveaxis(found.labels, axis, 0).reshape(volume.shape[axis], -1).mean(axis=1)
    np.testing.assert_array_equal(per_plane, np.arange(volume.shape[axis]) == 1)
    shown = [step.preview.index for step in steps if step.preview is not None]
    assert shown == list(range(volume.shape[axis]))


def test_only_the_planes_asked_for_are_filled_in_their_order(tmp_path: Path) -> None:
    volume = np.random.default_rng(0).integers(130, 255, (5, 20, 20), np.uint8)
    job = segment_job(volume, SegmentOptions(bright(tmp_path)), planes=[3, 1])
    steps, found = finish(job)
    assert [step.preview.index for step in steps if step.preview] == [3, 1]
    assert [bool(plane.any()) for plane in found.labels] == [False, True, False, True, False]
    assert (steps[-1].done, steps[-1].total) == (2, 2)


def test_progress_is_told_for_every_tile_and_cancel_works(
    tmp_path: Path, plane: np.ndarray
) -> None:
    card = bright(tmp_path, input={"fit": "tile", "size": [16, 16]})
    steps, _ = finish(segment_job(plane, SegmentOptions(card)))
    assert [step.done for step in steps] == list(range(1, steps[-1].total + 1))
    assert steps[-1].total == 5 * 8
    job = segment_job(plane, SegmentOptions(card))
    next(job)
    job.close()


@pytest.mark.parametrize(("order", "channel"), [("rgb", 0), ("bgr", 2)])
def test_channels_come_in_the_order_of_the_card(tmp_path: Path, order: str, channel: int) -> None:
    net = BrightNet(in_channels=3)
    net.weight.data = torch.tensor([1.0, 0.0, 0.0])
    stated = {"fit": "tile", "channels": 3, "order": order}
    card = bright(tmp_path, net, net_options={"in_channels": 3}, input=stated)
    image = np.zeros((33, 40, 3), np.uint8)
    image[:, :20, channel] = 255
    image[0, 0, 1] = 7
    np.testing.assert_array_equal(segment(image, card).labels[0], np.arange(40) < 20)


def test_grey_and_colour_images_both_fit(tmp_path: Path, plane: np.ndarray) -> None:
    three = bright(
        tmp_path,
        BrightNet(in_channels=3),
        net_options={"in_channels": 3},
        name="three",
        input={"fit": "tile", "channels": 3},
    )
    one = bright(tmp_path, input={"fit": "tile"}, name="one")
    colour = np.repeat(plane[..., None], 4, axis=-1)
    expected = (plane > 100).astype(np.uint8)
    for model in (one, three):
        for image in (plane, colour):
            np.testing.assert_array_equal(segment(image, model).labels, expected)


@pytest.mark.parametrize(
    ("scaling", "image_range", "threshold_at"),
    [
        ({"kind": "window", "low": -100, "high": 300}, (-1000, 1000), 100),
        ({"kind": "percentile", "low": 0, "high": 100}, (-1000, 1000), 0),
        ({"kind": "divide", "by": 255}, (0, 255), 127.5),
    ],
)
def test_values_are_scaled_as_the_card_says(
    tmp_path: Path, scaling: dict[str, Any], image_range: tuple[int, int], threshold_at: float
) -> None:
    card = bright(tmp_path, input={"fit": "tile", "scaling": scaling})
    image = np.linspace(*image_range, 64 * 40).reshape(64, 40)
    np.testing.assert_array_equal(segment(image, card).labels, image > threshold_at)


def test_mean_and_std_are_taken_off_after_scaling(tmp_path: Path) -> None:
    stated = {"fit": "tile", "mean": [0.25], "std": [0.5]}
    image = np.linspace(0, 255, 32 * 40).reshape(32, 40)
    found = segment(image, bright(tmp_path, input=stated)).labels
    np.testing.assert_array_equal(found, image / 255 > 0.5)


def test_flips_average_over_mirror_images(tmp_path: Path) -> None:
    """A net of random weights, made symmetric by hand."""
    net = small_net("UNet bilinear")
    fields = {"net_options": SMALL["UNet bilinear"][1], "classes": ("a", "b")}
    fields |= {"output": {"activation": "softmax"}, "input": {"size": [32, 32]}}
    card = write_pretrained(tmp_path, "u", net, **fields)
    image = np.random.default_rng(1).random((32, 32))
    mirrors = [(), (0,), (1,), (0, 1)]
    parts = [
        np.flip(segment(np.flip(image, axes), card).probabilities, [axis + 1 for axis in axes])
        for axes in mirrors
    ]
    found = segment(image, card, flips=True).probabilities
    np.testing.assert_allclose(found, np.mean(parts, axis=0), atol=1e-5)


def test_bfloat16_is_close(tmp_path: Path) -> None:
    fields = {"net_options": SMALL["UNet bilinear"][1], "classes": ("a", "b")}
    fields |= {"output": {"activation": "softmax"}, "input": {"size": [32, 32]}}
    card = write_pretrained(tmp_path, "u", small_net("UNet bilinear"), **fields)
    image = np.random.default_rng(1).random((40, 40))
    exact, rough = (segment(image, card, precision=p) for p in ("float32", "bfloat16"))
    assert 0 < np.abs(exact.probabilities - rough.probabilities).max() < 0.05


@pytest.mark.parametrize("kind", [kind for kind in SMALL if kind != "UniverSeg"])
def test_every_net_of_the_zoo_segments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from napari_medseg.zoo.checkpoints import import_checkpoint

    monkeypatch.setenv("NAPARI_MEDSEG_MODELS", str(tmp_path))
    torch.save(small_net(kind).state_dict(), tmp_path / "a.pt")
    card = import_checkpoint(tmp_path / "a.pt", input={"size": [64, 64]})
    image = np.random.default_rng(0).integers(0, 255, (40, 50, 3), np.uint8)
    found = segment(image, card.name)
    assert found.labels.shape == (40, 50)
    assert found.probabilities is not None
    assert np.isfinite(found.probabilities).all()
    np.testing.assert_array_equal(segment(image, card).labels, found.labels)


@pytest.mark.parametrize("fit", ["tile", "resize"])
def test_pixels_without_a_value_are_background(tmp_path: Path, plane: np.ndarray, fit: str) -> None:
    image = plane.astype(np.float32)
    image[28:32, 45:55] = np.nan
    image[35, 50] = np.inf
    found = segment(image, bright(tmp_path, input={"fit": fit}))
    assert found.labels[30, 50] == found.labels[35, 50] == 0
    assert found.labels[22, 50] == 1
    assert found.probabilities is not None
    assert np.isfinite(found.probabilities).all()
    assert found.probabilities[0, 30, 50] == 0


@pytest.mark.parametrize("fit", ["tile", "resize"])
@pytest.mark.parametrize("value", [0, 200, np.nan])
def test_nothing_is_found_on_a_plane_without_contrast(
    tmp_path: Path, fit: str, value: float
) -> None:
    found = segment(np.full((40, 50), value), bright(tmp_path, input={"fit": fit}))
    assert not found.labels.any()
    assert found.probabilities is not None
    assert not found.probabilities.any()


@pytest.mark.parametrize("fit", ["tile", "resize"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2), (31, 100)])
def test_images_of_any_size_are_taken(tmp_path: Path, fit: str, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    found = segment(image, bright(tmp_path, input={"fit": fit}))
    assert found.labels.shape == shape
    if fit == "tile" and image.size > 1:
        np.testing.assert_array_equal(found.labels, image > 127)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.zeros((4, 4), complex), "complex"),
        (np.zeros((0, 4)), "no pixels"),
        (np.zeros((2, 3, 4, 5)), "colour channels last"),
        (np.zeros(5), "plane"),
        (np.array([["a"]]), "cannot be segmented"),
    ],
)
def test_images_that_cannot_be_segmented_are_told(
    tmp_path: Path, image: np.ndarray, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        segment(image, bright(tmp_path))


def test_values_far_from_the_models_window_are_told(tmp_path: Path) -> None:
    card = bright(tmp_path, input={"scaling": {"kind": "window", "low": 500, "high": 900}})
    with pytest.raises(ValueError, match="original units"):
        segment(np.arange(100, dtype=np.uint8).reshape(10, 10), card)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tile": 64}, "tiles of 32 × 32 pixels and no others"),
        ({"threshold": 2.0}, "between 0 and 1"),
        ({"device": "abacus"}, "device"),
        ({"precision": "float8"}, "precision"),
        ({"batch": 0}, "at least one"),
        ({"axis": 1}, "no axis 1"),
        ({"planes": [7]}, "no plane 7"),
    ],
)
def test_options_that_cannot_be_used_are_told(
    tmp_path: Path, plane: np.ndarray, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        segment(plane, bright(tmp_path, input={"fit": "tile"}), **options)


def test_a_tile_size_that_the_net_takes_can_be_chosen(tmp_path: Path, plane: np.ndarray) -> None:
    card = bright(tmp_path, input={"fit": "tile", "multiple": 16})
    found = segment(plane, card, tile=48)
    assert found.provenance.parameters["tile"] == [48, 48]
    np.testing.assert_array_equal(found.labels, plane > 100)
    with pytest.raises(ValueError, match="multiple of 16"):
        segment(plane, card, tile=50)
    with pytest.raises(ValueError, match="whole plane"):
        segment(plane, bright(tmp_path, name="whole"), tile=48)


def test_an_in_context_model_is_refused(plane: np.ndarray) -> None:
    with pytest.raises(ValueError, match="needs examples"):
        segment(plane, "universeg-open")


def test_a_card_that_states_other_maps_than_the_net_gives_is_told(
    tmp_path: Path, plane: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"BrightNet .* gives \(1, 1, .* instead of \(1, 2, "):
        segment(plane, bright(tmp_path, classes=("a", "b")))
    with pytest.raises(CardError, match="names no class"):
        segment(plane, bright(tmp_path, name="none", classes=()))


def test_damaged_weights_are_told(tmp_path: Path, plane: np.ndarray) -> None:
    card = bright(tmp_path)
    content = bytearray(card.weights_path.read_bytes())
    content[-1] ^= 1
    card.weights_path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged or were changed"):
        segment(plane, card)


def test_the_label_map_can_be_cleaned_up(tmp_path: Path) -> None:
    from napari_medseg.engine.postprocess import PostProcess

    image = np.zeros((40, 40), np.uint8)
    image[5:20, 5:20] = 255
    image[10, 10] = 0
    image[30:33, 30:33] = 255
    card = bright(tmp_path, input={"fit": "tile"})
    found = segment(image, card, post=PostProcess(largest=True, fill_holes=True)).labels
    expected = np.zeros_like(image)
    expected[5:20, 5:20] = 1
    np.testing.assert_array_equal(found, expected)


def test_a_model_is_told_by_name_or_card():
    with pytest.raises(ValueError, match="A model is told by its name or its card"):
        segment(np.zeros((8, 8)), None)
