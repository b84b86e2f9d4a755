"""Deformable convolution against its definition, and against published values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from napari_medseg.nets.deform_conv import DeformableConv2d, deform_conv2d


def by_definition(x, offset, weight, mask, stride, padding, dilation, offset_groups):
    """One output value after the other, as the papers write it."""
    c_out, c_in, kh, kw = weight.shape
    groups = x.shape[1] // c_in
    height, width = offset.shape[2:]
    out = torch.zeros(x.shape[0], c_out, height, width, dtype=x.dtype)
    for b, o, i, j in itertools.product(*(range(n) for n in out.shape)):
        for c, ky, kx in itertools.product(range(c_in), range(kh), range(kw)):
            channel = o // (c_out // groups) * c_in + c
            tap = channel // (x.shape[1] // offset_groups) * kh * kw + ky * kw + kx
            row = i * stride - padding + ky * dilation + float(offset[b, 2 * tap, i, j])
            col = j * stride - padding + kx * dilation + float(offset[b, 2 * tap + 1, i, j])
            value = 0.0
            for r, s in itertools.product((0, 1), (0, 1)):
                y, z = math.floor(row) + r, math.floor(col) + s
                if 0 <= y < x.shape[2] and 0 <= z < x.shape[3]:
                    share = (1 - abs(row - y)) * (1 - abs(col - z))
                    value += share * float(x[b, channel, y, z])
            factor = 1.0 if mask is None else float(mask[b, tap, i, j])
            out[b, o, i, j] += value * factor * float(weight[o, c, ky, kx])
    return out


@pytest.mark.parametrize("modulated", [False, True])
@pytest.mark.parametrize(
    ("groups", "offset_groups", "stride", "padding", "dilation"),
    [(1, 1, 1, 1, 1), (1, 2, 2, 1, 1), (2, 1, 1, 2, 2), (2, 2, 2, 0, 1)],
)
def test_follows_the_definition(modulated, groups, offset_groups, stride, padding, dilation):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x, weight = normal(2, 4, 6, 7), normal(2, 4 // groups, 3, 3)
    plain = F.conv2d(x, weight, stride=stride, padding=padding, dilation=dilation, groups=groups)
    size = plain.shape[2:]
    offset = 2 * normal(2, offset_groups * 18, *size)
    mask = normal(2, offset_groups * 9, *size) if modulated else None
    step = {"stride": stride, "padding": padding, "dilation": dilation}

    unmoved = deform_conv2d(x, torch.zeros_like(offset), weight, **step)
    torch.testing.assert_close(unmoved, plain)
    found = deform_conv2d(x, offset, weight, mask=mask, **step)
    wanted = by_definition(x, offset, weight, mask, offset_groups=offset_groups, **step)
    torch.testing.assert_close(found, wanted)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(3, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    # Away from whole pixels, where the interpolation has a kink.
    offset = torch.randint(-2, 3, (1, 18, 4, 5)) + 0.2 + 0.6 * torch.rand(1, 18, 4, 5)
    offset = offset.double().requires_grad_()
    mask = torch.randn(1, 9, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, o, w, m: deform_conv2d(x, o, w, mask=m, padding=1), (x, offset, weight, mask)
    )


def test_one_set_of_offsets_serves_a_batch():
    torch.manual_seed(0)
    layer = DeformableConv2d(4, 6, bias=True)
    x, offset, mask = torch.rand(3, 4, 8, 9), torch.randn(1, 18, 8, 9), torch.rand(1, 9, 8, 9)
    together = layer(x, offset, mask)
    for one, image in zip(together, x, strict=True):
        torch.testing.assert_close(one[None], layer(image[None], offset, mask))


@pytest.mark.parametrize("name", ["s3_deform_unit", "s3_deform_far"])
def test_reproduces_the_published_values_and_gradients(shared, name):
    golden = np.load(shared / "golden" / f"{name}.npz")

    def leaf(key):
        return torch.from_numpy(golden[key]).requires_grad_()

    x, weight, offset, mask = (leaf(key) for key in ("in_x", "p_weight", "p_offset", "p_mask"))
    y = deform_conv2d(x, offset, weight, mask=mask, padding=1)
    y.backward(torch.from_numpy(golden["in_go"]))
    found = {"y": y.detach(), "gx": x.grad, "gw": weight.grad, "goff": offset.grad}
    for key, value in {**found, "gmask": mask.grad}.items():
        wanted = golden[f"out_{key}"]
        assert np.abs(value.numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize(
    ("offset", "mask"),
    [((1, 16, 8, 8), None), ((1, 18, 8, 7), None), ((1, 18, 8, 8), (1, 8, 8, 8))],
)
def test_refuses_offsets_and_masks_of_another_shape(offset, mask):
    layer = DeformableConv2d(4, 4)
    with pytest.raises(ValueError, match="shape"):
        layer(
            torch.rand(1, 4, 8, 8), torch.zeros(offset), None if mask is None else torch.ones(mask)
        )


def test_refuses_channels_that_cannot_be_split():
    with pytest.raises(ValueError, match="3 groups"):
        DeformableConv2d(4, 6, groups=3)
    with pytest.raises(ValueError, match="offset groups"):
        DeformableConv2d(3, 4)(torch.rand(1, 3, 8, 8), torch.zeros(1, 36, 8, 8))
