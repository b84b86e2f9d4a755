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
