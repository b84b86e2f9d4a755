"""Muon orthogonalises what it should, learns, and its state survives a checkpoint."""

from __future__ import annotations

import copy

import torch
from torch import nn

from napari_medseg.engine.muon import Muon, orthogonalised


def test_singular_values_come_near_one() -> None:
    generator = torch.Generator().manual_seed(0)
    for shape in ((16, 90), (90, 16), (1, 8)):
        matrix = torch.randn(shape, generator=generator)
        values = torch.linalg.svdvals(orthogonalised(matrix))
        assert float(values.min()) > 0.5 and float(values.max()) < 1.3


def small_problem() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.LeakyReLU(), nn.Conv2d(6, 1, 1))
    images = torch.rand(4, 1, 12, 12)
    return net, images, (images > 0.5).float()


def train(net: nn.Module, optimiser: Muon, images: torch.Tensor, wanted: torch.Tensor) -> float:
    loss = nn.functional.binary_cross_entropy_with_logits(net(images), wanted)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


def test_it_learns() -> None:
    net, images, wanted = small_problem()
    optimiser = Muon(net.parameters(), 5e-2)
    losses = [train(net, optimiser, images, wanted) for _ in range(60)]
    assert losses[-1] < 0.8 * losses[0]


def test_its_state_goes_through_a_checkpoint() -> None:
    net, images, wanted = small_problem()
    optimiser = Muon(net.parameters(), 1e-2)
    for _ in range(3):
        train(net, optimiser, images, wanted)
    twin = copy.deepcopy(net)
    second = Muon(twin.parameters(), 1e-2)
    second.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    for _ in range(3):
        train(net, optimiser, images, wanted)
        train(twin, second, images, wanted)
    for a, b in zip(net.parameters(), twin.parameters(), strict=True):
        assert torch.equal(a, b)


def test_half_precision_points_the_same_way() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn((24, 200), generator=generator)
    exact = orthogonalised(matrix)
    rough = orthogonalised(matrix.bfloat16()).float()
    likeness = (exact * rough).sum() / (exact.norm() * rough.norm())
    assert float(likeness) > 0.99
