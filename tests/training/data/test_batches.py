"""Batches are pure functions of seed and step, and augmentation keeps labels what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from medseg_training.data.augment import augment
from medseg_training.data.augment_options import AugmentOptions
from medseg_training.data.batches import PlaneBatches
from medseg_training.data.dataset import read_dataset
from medseg_training.data.photometric import photometric
from medseg_training.data.planes import Plane, load_planes
from medseg_training.data.presets import PRESETS
from napari_medseg.engine.with_model.model_input import input_planes, prepare, shrink_plane
from napari_medseg.zoo.specs import InputSpec, Scaling

from . import small

STANDARD = AugmentOptions(preset="standard")


@pytest.fixture
def planes(tmp_path: Path) -> list[Plane]:
    """Seven planes at their own size."""
    dataset = read_dataset(small.folders(tmp_path, 7))
    names = [case.name for case in dataset.cases]
    return load_planes(dataset, names, InputSpec((16, 16), fit="tile", multiple=8))


def batches(planes: list[Plane], count: int, **options: object) -> list[torch.Tensor]:
    """The images and labels of the first batches, side by side."""
    chosen = {"size": (16, 16), "batch_size": 3, "seed": 1, "augmentation": STANDARD} | options
    with PlaneBatches(planes, **chosen) as made:  # type: ignore[arg-type]
        found = [made.batch(step) for step in range(count)]
    return [torch.cat([b.images, b.labels[:, None].float()], 1) for b in found]


@pytest.mark.parametrize("fit", ["resize", "tile"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("scaling", [Scaling(), Scaling("divide", 0, 255)])
def test_planes_are_what_the_app_feeds_a_net(
    fit: str, channels: int, scaling: Scaling, tmp_path: Path
) -> None:
    dataset = read_dataset(small.folders(tmp_path, 1, colour=True))
    spec = InputSpec(
        (16, 16),
        fit=fit,
        channels=channels,
        scaling=scaling,
        order="bgr",  # type: ignore[arg-type]
    )
    (plane,) = load_planes(dataset, [dataset.cases[0].name], spec)
    ((image, _),) = small.arrays(1, colour=True).values()
    in_app = input_planes(image, spec)
    size = spec.size if fit == "resize" else small.SHAPE
    assert np.array_equal(plane.image, prepare(shrink_plane(in_app, 0, size), spec))
    assert plane.labels.shape == size


def test_batches_are_the_same_each_time_and_after_a_resume(planes: list[Plane]) -> None:
    first, again = batches(planes, 7), batches(planes, 7)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    with PlaneBatches(planes, (16, 16), 3, 1, STANDARD) as resumed:
        assert torch.equal(resumed.batch(5).images, first[5][:, :1])
        assert torch.equal(resumed.batch(2).images, first[2][:, :1])


def test_another_seed_and_another_epoch_give_others(planes: list[Plane]) -> None:
    first = batches(planes, 4)
    assert not torch.equal(first[0], batches(planes, 1, seed=2)[0])
    assert not torch.equal(first[0], first[3])


def test_an_epoch_has_every_plane(planes: list[Plane]) -> None:
    with PlaneBatches(planes, (16, 16), 3, 0) as made:
        assert made.steps_per_epoch == 3
        names = [name for step in range(3) for name in made.batch(step).names]
    assert len(names) == 9
    assert set(names) == {plane.name for plane in planes}


def test_ranks_share_the_batch_that_one_process_would_have(planes: list[Plane]) -> None:
    whole = batches(planes, 3, batch_size=4)
    parts = [batches(planes, 3, batch_size=2, rank=rank, world=2) for rank in range(2)]
    for step, batch in enumerate(whole):
        assert torch.equal(batch, torch.cat([part[step] for part in parts]))


def test_planes_smaller_than_the_batch_are_continued_by_their_edge(planes: list[Plane]) -> None:
    with PlaneBatches(planes, (40, 40), 2, 0) as made:
        batch = made.batch(0)
    assert batch.images.shape == (2, 1, 40, 40)
    assert torch.equal(batch.images[..., 24, :], batch.images[..., 23, :])


def _images(n: int = 32, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (n, 6, 6), generator=generator)
    labels = labels.repeat_interleave(4, 1).repeat_interleave(4, 2).to(torch.uint8) * 63
    images = torch.rand((n, channels, 24, 24), generator=generator)
    return images, labels


@pytest.mark.parametrize("name", PRESETS)
def test_labels_stay_labels_and_images_stay_in_range(name: str) -> None:
    images, labels = _images()
    options = AugmentOptions(preset=name)
    changed, masks = augment(images, labels, [(7, i) for i in range(32)], options)
    assert masks.dtype == labels.dtype
    assert set(masks.unique().tolist()) <= set(labels.unique().tolist())
    assert 0 <= changed.min() <= changed.max() <= 1
    assert torch.equal(changed, images) == (name == "none")


def test_what_happens_to_an_image_does_not_depend_on_its_batch() -> None:
    images, labels = _images(8)
    seeds = [(3, i) for i in range(8)]
    together = augment(images, labels, seeds, STANDARD)
    for i in range(8):
        alone = augment(images[i : i + 1], labels[i : i + 1], seeds[i : i + 1], STANDARD)
        torch.testing.assert_close(alone[0][0], together[0][i])
        assert torch.equal(alone[1][0], together[1][i])


@pytest.mark.parametrize(
    "law",
    [
        {"rotate": 1.0, "rotate_degrees": 90.0},
        {"scale": 1.0},
        {"shift": 1.0},
        {"elastic": 1.0},
        {"quarter_turns": 1.0},
        {"flip_horizontal": 1.0, "flip_vertical": 1.0},
    ],
    ids=lambda law: next(iter(law)),
)
def test_image_and_mask_move_together(law: dict[str, float]) -> None:
    """An image that shows its own mask shows it still, on planes that are not square, too."""
    labels = torch.zeros((8, 40, 60), dtype=torch.uint8)
    labels[:, 8:20, 10:35] = 1
    images = labels[:, None].float()
    options = AugmentOptions(interpolation="nearest", **law)  # type: ignore[arg-type]
    changed, masks = augment(images, labels, [(i,) for i in range(8)], options)
    assert torch.equal(changed[:, 0], masks.float())
    assert not torch.equal(masks, labels)
    if "scale" not in law and "shift" not in law and "elastic" not in law:
        areas = masks.float().sum((1, 2))
        assert areas.min() > 0.7 * 12 * 25


def test_holes_are_in_the_image_alone() -> None:
    images, labels = _images()
    changed, masks = augment(images, labels, [(i,) for i in range(32)], AugmentOptions(holes=1.0))
    assert torch.equal(masks, labels)
    assert all((one == 0).any() for one in changed)


def test_hue_turns_colours_and_leaves_grey() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    grey = torch.full((1, 3, 1, 1), 0.4)
    options = AugmentOptions(jitter=1.0, hue=0.5)
    changed = photometric(torch.cat([red, grey]), [(1,), (2,)], options)
    assert not torch.allclose(changed[0], red[0])
    torch.testing.assert_close(changed[0].max(), torch.tensor(1.0))
    torch.testing.assert_close(changed[1], grey[0])


def test_single_values_of_a_preset_can_be_changed() -> None:
    options = AugmentOptions(preset="selfreg", rotate=0.0)
    assert (options.quarter_turns, options.rotate) == (0.5, 0.0)
    assert AugmentOptions(**options.model_dump()) == options


@pytest.mark.parametrize("wrong", [{"preset": "unheard"}, {"flip": 0.5}, {"noise": 2.0}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AugmentOptions(**wrong)  # type: ignore[arg-type]
