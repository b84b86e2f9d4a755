"""CrossConv2d is Conv2d on concatenated pairs, whatever the options."""

from __future__ import annotations

import pytest
import torch
from benchmarks import textbook
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_medseg.nets.cross_conv import CrossBlock, CrossConv2d


@st.composite
def convolutions(draw) -> tuple[CrossConv2d, torch.Tensor, torch.Tensor]:
    """Give a cross convolution in float64 with any options, and two sets that fit it."""
    groups = draw(st.integers(1, 4))
    channels = groups * draw(st.integers(1 if groups > 1 else 2, 3))
    first = draw(st.integers(1, channels - 1))
    kernel = draw(st.sampled_from([1, 2, 3, (3, 1), (2, 3)]))
    same = kernel in (1, 3, (3, 1))
    paddings = [0, 1, (0, 1), "valid", *(["same"] if same else [])]
    padding = draw(st.sampled_from(paddings))
    conv = CrossConv2d(
        draw(st.sampled_from([(first, channels - first), [first, channels - first]])),
        groups * draw(st.integers(1, 3)),
        kernel,
        stride=1 if padding == "same" else draw(st.sampled_from([1, 2, (2, 1)])),
        padding=padding,
        dilation=draw(st.sampled_from([1, 2, (1, 2)])),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
        dtype=torch.float64,
    )
    batch, size = draw(st.integers(1, 2)), draw(st.sampled_from([(7, 6), (5, 9)]))
    x, y = (
        torch.randn(batch, draw(st.integers(1, 3)), c, *size, dtype=torch.float64)
        for c in conv.channel_pair
    )
    return conv, x, y


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(convolutions())
def test_equals_the_textbook_with_all_options(case):
    conv, x, y = case
    expected = textbook.cross_convolution(conv, x, y)
    found = conv(x, y)
    assert found.shape == expected.shape
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_gradients_equal_the_textbook(groups):
    torch.manual_seed(0)
    conv = CrossConv2d((3, 5), 8, 3, padding=1, groups=groups, dtype=torch.float64)
    x = torch.randn(2, 2, 3, 6, 7, dtype=torch.float64, requires_grad=True)
    y = torch.randn(2, 3, 5, 6, 7, dtype=torch.float64, requires_grad=True)
    inputs = [x, y, conv.weight, conv.bias]
    ours = torch.autograd.grad(conv(x, y).square().sum(), inputs)
    theirs = torch.autograd.grad(textbook.cross_convolution(conv, x, y).square().sum(), inputs)
    for mine, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, wanted, rtol=1e-9, atol=1e-10)


def test_an_integer_means_as_many_channels_in_both_sets():
    conv = CrossConv2d(3, 4, 3)
    assert conv.channel_pair == (3, 3)
    assert conv.weight.shape == (4, 6, 3, 3)
    assert list(conv.state_dict()) == ["weight", "bias"]


def test_device_and_dtype_are_taken():
    conv = CrossConv2d(2, 4, 3, bias=False, device="meta", dtype=torch.bfloat16)
    assert conv.weight.device.type == "meta"
    assert conv.weight.dtype == torch.bfloat16
    assert conv.bias is None


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_set_of_batch_size_one_is_shared(groups):
    conv = CrossConv2d((3, 5), 8, 3, padding=1, groups=groups)
    x, y = torch.randn(3, 1, 3, 6, 6), torch.randn(1, 4, 5, 6, 6)
    torch.testing.assert_close(conv(x, y), conv(x, y.expand(3, -1, -1, -1, -1)))
    x, y = torch.randn(1, 2, 3, 6, 6), torch.randn(3, 1, 5, 6, 6)
    torch.testing.assert_close(conv(x, y), conv(x.expand(3, -1, -1, -1, -1), y))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        ((1, 1, 3, 8, 8), (1, 1, 4, 8, 8)),
        ((1, 3, 8, 8), (1, 1, 5, 8, 8)),
        ((1, 1, 3, 8, 8), (1, 1, 5, 8, 9)),
        ((2, 1, 3, 8, 8), (3, 1, 5, 8, 8)),
    ],
)
def test_sets_that_do_not_fit_are_refused(x, y):
    with pytest.raises(ValueError, match="CrossConv2d expects"):
        CrossConv2d((3, 5), 4, 3)(torch.zeros(x), torch.zeros(y))


@pytest.mark.parametrize("nonlinearity", [None, "LeakyReLU"])
def test_a_block_serves_several_queries_with_one_support_set(nonlinearity):
    block = CrossBlock((2, 3), 4, cross_nonlinearity=nonlinearity)
    target, support = torch.randn(3, 1, 2, 6, 6), torch.randn(1, 4, 3, 6, 6)
    shared = block(target, support)
    repeated = block(target, support.expand(3, -1, -1, -1, -1))
    for found, wanted in zip(shared, repeated, strict=True):
        torch.testing.assert_close(found, wanted)
