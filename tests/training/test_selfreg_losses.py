"""The self-regularisation of SelfReg-UNet against published values."""

from __future__ import annotations

import json
import runpy

import numpy as np
import pytest
import torch
from pytest import approx

from medseg_training.losses.selfreg import (
    SelfRegularization,
    internal_distillation,
    semantic_consistency,
)
from napari_medseg.nets import SwinUNet, UNet
from napari_medseg.nets.feature_taps import Features, tap_features


@pytest.fixture
def golden(shared):
    return lambda name: np.load(shared / "golden" / f"{name}.npz")


@pytest.fixture
def fill(shared):
    return runpy.run_path(str(shared / "golden" / "recipe_s3net_selfreg.py"))["fill"]


def tensor(array):
    return torch.from_numpy(array).requires_grad_()


@pytest.mark.parametrize("case", ["same", "s_small", "s_big", "nonsq_s_big"])
def test_consistency_and_its_gradient_are_as_published(golden, case):
    wanted = golden("kd_inter")
    drawn = json.loads(str(wanted["meta"]))["cases"][case]
    student, teacher = tensor(wanted[f"in_s_{case}"]), tensor(wanted[f"in_t_{case}"])
    loss = semantic_consistency(student, teacher, (drawn["idx_s"], drawn["idx_t"]))
    loss.backward()
    assert loss.item() == approx(float(wanted[f"out_{case}"]), rel=1e-5)
    assert student.grad.numpy() == approx(wanted[f"out_{case}_gs"], rel=1e-4, abs=1e-7)
    assert teacher.grad is None


def test_consistency_takes_maps_that_are_not_square(golden):
    wanted = golden("kd_inter")
    student, teacher = (torch.from_numpy(wanted[f"in_{x}_nonsq_s_small"]) for x in "st")
    order = list(range(6))
    pooled = torch.nn.functional.adaptive_avg_pool2d(teacher, (6, 4))
    loss = semantic_consistency(student, teacher, (order, order))
    assert loss.item() == approx((student - pooled).square().mean().item())


@pytest.mark.parametrize("case", "abc")
def test_distillation_and_its_gradient_are_as_published(golden, case):
    wanted = golden("kd_intra")
    features = tensor(wanted[f"in_{case}"])
    loss = internal_distillation(features)
    loss.backward()
    assert loss.item() == approx(float(wanted[f"out_{case}"]), rel=1e-5)
    assert features.grad.numpy() == approx(wanted[f"out_g_{case}"], rel=1e-4, abs=1e-7)


def test_distillation_leaves_the_middle_of_an_odd_number_of_channels_alone():
    features = torch.tensor([3.0, 2.0, 1.0]).view(1, 3, 1, 1) * torch.rand(2, 3, 4, 4)
    features.requires_grad_()
    internal_distillation(features).backward()
    assert sorted(features.grad.abs().sum(dim=(0, 2, 3)).gt(0).tolist()) == [False, True, True]
    assert internal_distillation(features[:, :1]).item() == 0


@pytest.mark.parametrize(
    ("out", "blocks", "weight"), [("out_swin", 2, 0.015), ("out_unet", 1, 0.1)]
)
def test_the_sum_over_all_stages_is_as_published(golden, out, blocks, weight):
    wanted = golden("kd_total")
    stages = {
        group: [
            [torch.from_numpy(wanted[f"in_{group}{i}_{j}"]) for j in range(blocks)]
            for i in range(count)
        ]
        for group, count in (("e", 4), ("d", 3))
    }
    features = Features(stages["e"], stages["d"], torch.from_numpy(wanted["in_final"]))
    loss = SelfRegularization(weight, weight, seed=77)(features)
    assert loss.item() == approx(float(wanted[out]), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "build", "prefix", "weight", "seed"),
    [
        ("unet_hd", lambda: UNet(1, 9), "", 0.1, 5),
        ("swinunet", lambda: SwinUNet(9, drop_path=0.0), "swin_unet.", 0.015, 9),
    ],
)
def test_the_published_nets_are_regularised_as_published(
    golden, fill, name, build, prefix, weight, seed
):
    wanted = golden(name)
    net = fill(build(), 0, prefix).train()
    with torch.no_grad(), tap_features(net) as features:
        net(torch.from_numpy(wanted["in_x"]))
    loss = SelfRegularization(weight, weight, seed)(features)
    assert loss.item() == approx(float(wanted["out_kd"]), rel=1e-4)


def test_features_that_were_never_filled_are_refused():
    with pytest.raises(ValueError, match="run the net inside tap_features"):
        SelfRegularization()(Features())


def features_like_unets(height=24, width=40, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def maps(channels, factor):
        shape = (2, channels, height // factor, width // factor)
        return [torch.rand(shape, generator=generator).requires_grad_()]

    encoder = [maps(16, 2), maps(32, 4), maps(64, 8)]
    return Features(encoder, [maps(32, 4), maps(16, 2)], maps(8, 1)[0])


def test_the_corrected_variant_is_the_same_at_every_step_also_for_rectangles():
    features = features_like_unets()
    loss = SelfRegularization(1.0, 1.0, seed=0, variant="corrected")
    first = loss(features)
    loss.reseed(99)
    assert torch.equal(loss(features), first)
    assert not torch.equal(SelfRegularization(1.0, 1.0, seed=0)(features), first)
    first.backward()
    assert all(stage[0].grad.abs().sum() > 0 for stage in features.encoder + features.decoder)
    assert features.final.grad is None


def test_the_published_variant_trains_with_the_consistency_of_the_channels_it_draws(monkeypatch):
    drawn = []

    def noted(student, teacher, channels):
        drawn.append(channels)
        return semantic_consistency(student, teacher, channels)

    monkeypatch.setattr("medseg_training.losses.selfreg.semantic_consistency", noted)
    features = features_like_unets()
    found = SelfRegularization(1.0, 0.0, seed=0).terms(features)["consistency"]
    pairs = [stage[0] for stage in features.decoder + features.encoder]
    each = [
        semantic_consistency(maps, features.final, channels)
        for maps, channels in zip(pairs, drawn, strict=True)
    ]
    assert found.item() == torch.stack(each).mean().item()


def test_the_corrected_variant_pairs_evenly_spaced_channels():
    features = features_like_unets()
    loss = SelfRegularization(1.0, 0.0, variant="corrected")
    pairs = [(stage[0], features.final) for stage in features.decoder + features.encoder]
    each = [
        semantic_consistency(
            maps, final, (list(range(0, maps.shape[1], maps.shape[1] // 8)), list(range(8)))
        )
        for maps, final in pairs
    ]
    assert loss.terms(features)["consistency"].item() == approx(sum(each).item() / 5, rel=1e-5)


def test_the_corrected_variant_spaces_channels_evenly_without_a_whole_multiple_too():
    maps = torch.rand(2, 13, 4, 4)
    final = torch.rand(2, 8, 4, 4)
    features = Features([[maps]], [], final)
    loss = SelfRegularization(1.0, 0.0, variant="corrected")
    spaced = ([0, 1, 3, 4, 6, 8, 9, 11], list(range(8)))
    expected = semantic_consistency(maps, final, spaced)
    assert loss.terms(features)["consistency"].item() == approx(expected.item(), rel=1e-5)


def test_the_two_terms_have_weights_of_their_own():
    features = features_like_unets()
    whole = SelfRegularization(1.0, 1.0, variant="corrected").terms(features)
    parts = SelfRegularization(0.5, 0.0, variant="corrected").terms(features)
    assert parts["consistency"].item() == approx(0.5 * whole["consistency"].item())
    assert parts["distillation"].item() == 0 < whole["distillation"].item()


def test_steps_draw_the_same_pairs_again_when_they_are_repeated():
    features = features_like_unets()
    loss = SelfRegularization(seed=3)
    values = []
    for step in (4, 5, 4):
        loss.reseed(step)
        values.append(loss(features).item())
    assert values[0] == values[2] != values[1]


def test_tokens_of_a_square_grid_are_taken_as_maps():
    maps = features_like_unets(16, 16)
    tokens = [[stage[0].flatten(2).transpose(1, 2)] for stage in maps.encoder]
    loss = SelfRegularization(variant="corrected")
    as_tokens = loss(Features(tokens, maps.decoder, maps.final))
    assert as_tokens.item() == approx(loss(maps).item(), rel=1e-5)
    with pytest.raises(ValueError, match="tap other modules"):
        loss(Features([[torch.rand(1, 15, 8)]], [], maps.final))


def test_the_gradient_of_the_distillation_is_that_of_its_definition():
    features = torch.rand(2, 5, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(internal_distillation, features)
