"""The S3-Net method against the published program."""

from __future__ import annotations

import json
import runpy

import numpy as np
import pytest
import torch
from benchmarks import textbook
from PIL import Image

from napari_medseg.engine.cluster.losses import boundary_loss
from napari_medseg.engine.cluster.methods import published_input
from napari_medseg.engine.cluster.s3net_fit import IMPROVED, PUBLISHED, FitSettings, fit
from napari_medseg.nets.localisation import LocalisationNet, affine_view
from napari_medseg.nets.s3net import S3Net


@pytest.fixture
def golden(shared):
    return lambda name: np.load(shared / "golden" / f"{name}.npz")


def relative_error(found, wanted):
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("name", ["s3_steps_default", "s3_steps_paper"])
def test_follows_the_published_program_step_by_step(golden, shared, name):
    values = golden(name)
    meta = json.loads(str(values["meta"]))
    fill = runpy.run_path(str(shared / "golden" / "recipe_s3net_selfreg.py"))["fill"]
    net = fill(S3Net(size=(64, 64)))
    settings = FitSettings(
        meta["lr"],
        meta["momentum"],
        meta["w_ce"],
        meta["w_at"],
        iterations=4,
        freeze_sampling=False,
        freeze_kernels=False,
    )
    image = torch.from_numpy(values["in_image"])
    job = fit(net, image, settings)
    steps = [next(job)]
    assert relative_error(net.conv1.weight.detach().numpy(), values["out_conv1_after1"]) <= 1e-5
    assert (
        relative_error(net.conv3.weight.detach()[..., 0, 0].numpy(), values["out_conv3_after1"])
        <= 1e-4
    )
    with pytest.raises(StopIteration) as stop:
        while True:
            steps.append(next(job))
    assert [step.clusters for step in steps] == list(values["out_nlabels"])
    for step, pixels in zip(steps, (6, 6, 6, 20), strict=True):
        histogram = np.bincount(step.labels.ravel(), minlength=64)
        assert np.abs(histogram - values["out_label_hist"][step.iteration]).sum() <= 2 * pixels
    found = [(step.cluster_loss, step.auxiliary_loss) for step in steps]
    wanted = np.stack((values["out_ce"], values["out_at"]), 1)
    np.testing.assert_allclose(found[:2], wanted[:2], rtol=1e-4)
    # Later a pixel whose label tips over by rounding, which depends on the threads, moves the loss.
    np.testing.assert_allclose(found, wanted, rtol=1e-3)
    final = np.bincount(stop.value.value.ravel(), minlength=64)
    moved = np.abs(final - values["out_final_hist"]).sum() / 2
    assert moved <= 0.01 * final.sum()


def test_frozen_sampling_gives_nearly_the_same_labels():
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.avg_pool2d(image, 9, 1, 4)
    maps = []
    for frozen in (True, False):
        torch.manual_seed(0)
        net = S3Net(size=(64, 64))
        before = net.convdeform.offset.detach().clone()
        job = fit(net, image, FitSettings(iterations=2, freeze_sampling=frozen))
        maps.append([step.labels for step in job][-1])
        assert torch.equal(before, net.convdeform.offset) == frozen
    assert (maps[0] == maps[1]).mean() > 0.99


def test_the_losses_are_the_published_ones(golden):
    values = golden("s3_losses")
    logits, auxiliary = (torch.from_numpy(values[key])[None] for key in ("in_o", "in_a"))
    target = logits.argmax(1)
    assert (target[0].numpy() == values["out_labels"]).all()
    for scores, key in ((logits, "out_ce"), (auxiliary, "out_at")):
        loss = torch.nn.functional.cross_entropy(scores, target)
        assert float(loss) == pytest.approx(float(values[key]), rel=1e-5)
    found = textbook.spatial_inconsistency(target[0].numpy(), values["in_palette"])
    assert found == pytest.approx(float(values["out_spatial"]), rel=1e-9)


@pytest.mark.parametrize("alpha", [1, 3])
def test_the_boundary_loss_and_its_gradient(golden, alpha):
    values = golden("s3x_boundary_reading")
    logits = torch.from_numpy(values["in_logits"]).requires_grad_()
    loss = boundary_loss(logits, alpha)
    loss.backward()
    assert loss.item() == pytest.approx(float(values[f"out_alpha{alpha}"]), rel=1e-5)
    assert relative_error(logits.grad.numpy(), values[f"out_grad_alpha{alpha}"]) <= 1e-4


def test_the_input_is_prepared_as_published(golden, shared):
    file = shared / "data/native/dermoscopy_s3net_examples/images/Test_1.bmp"
    if not file.is_file():
        pytest.skip("the published example image is not there")
    with Image.open(file) as image:
        plane = np.asarray(image.convert("RGB"), np.float32) / 255
    found = published_input(plane, (48, 48)).numpy()
    assert np.abs(found - golden("s3_preprocess")["out_x"]).max() <= 1.01 / 255


def test_stops_once_few_clusters_are_left_but_not_before_six_iterations():
    torch.manual_seed(0)
    net = S3Net(channels=4, size=(32, 32))
    image = torch.rand(1, 3, 32, 32)
    assert len(list(fit(net, image, FitSettings(enough=4)))) == 6
    assert len(list(fit(net, image, FitSettings(enough=4, iterations=2)))) == 2


def test_the_improved_variant_moves_its_view_but_never_out_of_the_image():
    torch.manual_seed(0)
    net, localiser = S3Net(channels=8, size=(32, 32)), LocalisationNet(8)
    image = torch.rand(1, 3, 32, 32)
    features = net.features(image).detach()
    start = localiser(features)
    torch.testing.assert_close(start, torch.eye(2, 3)[None])
    for _ in fit(net, image, IMPROVED, localiser):
        pass
    moved = localiser(net.features(image).detach())
    assert not torch.equal(moved, start)
    assert affine_view(features, moved)[1].float().mean() > 0.4


def test_an_identical_view_is_the_image_itself():
    maps = torch.rand(1, 2, 8, 10)
    view, inside = affine_view(maps, torch.eye(2, 3)[None])
    torch.testing.assert_close(view, maps)
    assert inside.all()


def test_a_localised_fit_needs_a_localiser():
    with pytest.raises(ValueError, match="localisation net"):
        next(fit(S3Net(channels=4, size=(16, 16)), torch.rand(1, 3, 16, 16), IMPROVED))


def test_the_published_settings():
    assert FitSettings(0.2, 0.9, 3.5, 0.2, 0.0, False, 50, 3, True) == PUBLISHED
