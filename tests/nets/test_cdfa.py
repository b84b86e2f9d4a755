"""The aggregation computes the same as windows cut out, mixed and summed one by one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from napari_medseg.nets.cdfa import ContrastDrivenFeatureAggregation

from .base import NetContract, seeded


class TestContrastDrivenFeatureAggregation(NetContract):
    sees_images = False
    sizes = ((6, 8), (5, 7), (1, 1), (1, 9), (2, 1))

    def build(self) -> nn.Module:
        return ContrastDrivenFeatureAggregation(12, 16, 4)

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        guides = (seeded(batch, 16, height, width, seed=seed) for seed in (1, 2))
        return seeded(batch, 12, height, width), *guides

    def expected_shapes(self, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
        return [(batch, 16, height, width)]


def by_windows(net: ContrastDrivenFeatureAggregation, x: Tensor, fg: Tensor, bg: Tensor) -> Tensor:
    """Visit every window, in plain loops over its centre."""
    values = net.v(net.input_cbr(x).movedim(1, -1))
    for guide, layer in ((fg, net.attn_fg), (bg, net.attn_bg)):
        values = net.proj(round_by_windows(net, values, guide, layer))
    return net.output_cbr(values.movedim(-1, 1))


def round_by_windows(
    net: ContrastDrivenFeatureAggregation, values: Tensor, guide: Tensor, layer: nn.Linear
) -> Tensor:
    k, pad, stride, heads = net.kernel_size, net.padding, net.stride, net.num_heads
    batch, height, width, dim = values.shape
    if stride > 1:
        guide = nn.functional.avg_pool2d(guide, stride, ceil_mode=True)
    scores = layer(guide.movedim(1, -1)).unflatten(-1, (heads, k * k, k * k))
    weights = (scores / math.sqrt(dim // heads)).softmax(-1)
    canvas = values.new_zeros(batch, height + 2 * k + stride, width + 2 * k + stride, dim)
    inside = (slice(None), slice(pad, pad + height), slice(pad, pad + width))
    source = canvas.clone()
    source[inside] = values
    for row in range(guide.shape[2]):
        for column in range(guide.shape[3]):
            top, left = row * stride, column * stride
            window = (slice(None), slice(top, top + k), slice(left, left + k))
            pixels = source[window].flatten(1, 2).unflatten(-1, (heads, -1))
            mixed = torch.einsum("bhij,bjhc->bihc", weights[:, row, column], pixels)
            canvas[window] += mixed.flatten(2).unflatten(1, (k, k))
    return canvas[inside]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, (7, 5)),
        ({}, (2, 1)),
        ({"kernel_size": 5, "padding": 2}, (6, 9)),
        ({"kernel_size": 5, "padding": 2}, (2, 3)),
        ({"kernel_size": 1, "padding": 0}, (4, 3)),
        ({"stride": 2}, (6, 8)),
        ({"stride": 2}, (7, 5)),
        ({"stride": 3}, (9, 7)),
    ],
)
@pytest.mark.parametrize("channels_last", [False, True])
def test_equals_a_visit_to_every_window(options, size, channels_last):
    torch.manual_seed(0)
    net = ContrastDrivenFeatureAggregation(6, 8, 2, **options).double().eval()
    inputs = [seeded(2, channels, *size, seed=channels).double() for channels in (6, 8, 8)]
    inputs[2] = inputs[2].flip(1)
    with torch.no_grad():
        expected = by_windows(net, *inputs)
        if channels_last:
            inputs = [x.contiguous(memory_format=torch.channels_last) for x in inputs]
        torch.testing.assert_close(net(*inputs), expected, rtol=1e-9, atol=1e-12)


def test_gradients_are_those_of_the_values():
    torch.manual_seed(0)
    net = ContrastDrivenFeatureAggregation(2, 4, 2).double().eval()
    inputs = [torch.rand(1, channels, 3, 2).double().requires_grad_() for channels in (2, 4, 4)]
    assert torch.autograd.gradcheck(net, inputs)


def test_drops_out_in_training_only():
    torch.manual_seed(0)
    net = ContrastDrivenFeatureAggregation(4, 8, 2, attn_drop=0.5, proj_drop=0.5).eval()
    inputs = [seeded(2, channels, 4, 4) for channels in (4, 8, 8)]
    with torch.no_grad():
        assert torch.equal(net(*inputs), net(*inputs))
        net.train()
        assert not torch.equal(net(*inputs), net(*inputs))


@pytest.mark.parametrize("shape", [(1, 8, 4, 5), (1, 4, 4, 4), (2, 8, 4, 4)])
def test_refuses_guidance_of_another_shape(shape):
    net = ContrastDrivenFeatureAggregation(4, 8, 2)
    good, bad = torch.zeros(1, 8, 4, 4), torch.zeros(shape)
    for guides in ((good, bad), (bad, good)):
        with pytest.raises(ValueError, match="guidance must have the shape"):
            net(torch.zeros(1, 4, 4, 4), *guides)


def test_refuses_channels_that_the_heads_cannot_share():
    with pytest.raises(ValueError, match=r"dim=10 must be a multiple of num_heads=4"):
        ContrastDrivenFeatureAggregation(4, 10, 4)


@pytest.mark.parametrize(("kernel_size", "padding"), [(3, 0), (2, 1), (5, 1)])
def test_refuses_windows_that_are_not_centred_on_pixels(kernel_size, padding):
    with pytest.raises(ValueError, match="kernel_size must be odd and padding half of it"):
        ContrastDrivenFeatureAggregation(4, 8, 4, kernel_size, padding)


def test_windows_of_one_pixel_can_be_trained():
    net = ContrastDrivenFeatureAggregation(2, 4, 2, kernel_size=1, padding=0).double().eval()
    inputs = [torch.rand(1, channels, 3, 2).double().requires_grad_() for channels in (2, 4, 4)]
    assert torch.autograd.gradcheck(net, inputs)
