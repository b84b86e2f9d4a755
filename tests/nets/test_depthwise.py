"""The fast depthwise convolution gives what the plain one gives."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from napari_medseg.nets.depthwise import DepthwiseConv2d


@pytest.mark.parametrize("size", [(24, 32), (19, 7), (5, 3), (1, 1)])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 1), (5, 2), (7, 3)])
def test_output_and_gradients_are_those_of_the_plain_convolution(kernel, dilation, size):
    torch.manual_seed(0)
    fast = DepthwiseConv2d(6, kernel, dilation)
    pad = dilation * (kernel // 2)
    plain = nn.Conv2d(6, 6, kernel, padding=pad, dilation=dilation, groups=6)
    plain.load_state_dict(fast.state_dict())
    upstream = torch.randn(2, 6, *size)
    inputs = torch.randn(2, 6, *size, requires_grad=True)
    found = torch.autograd.grad(fast(inputs), [inputs, *fast.parameters()], upstream)
    wanted = torch.autograd.grad(plain(inputs), [inputs, *plain.parameters()], upstream)
    torch.testing.assert_close(fast(inputs), plain(inputs))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_frozen_kernels_get_no_gradient():
    layer = DepthwiseConv2d(4, 5).requires_grad_(False)
    x = torch.rand(1, 4, 8, 8, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad is not None
    assert layer.weight.grad is None
