"""UniverSeg keeps the contract of every net, and both of its paths compute what the paper says."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from benchmarks import textbook
from torch import Tensor, nn

from napari_medseg.nets import universeg_fast
from napari_medseg.nets.cross_conv import CrossBlock
from napari_medseg.nets.universeg import UniverSeg

from .base import NetContract, seeded, seeded_mask

SMALL = ((4, 6), (8, 10), (12, 14))


def small_net() -> UniverSeg:
    torch.manual_seed(0)
    return UniverSeg(SMALL)


def task(
    batch: int, examples: int, height: int, width: int, support_batch: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    shape = (support_batch or batch, examples, 1, height, width)
    return seeded(batch, 1, height, width), seeded(*shape, seed=1), seeded_mask(*shape, seed=2)


def fast(net: UniverSeg) -> Callable[..., Tensor]:
    """Give the net's path for inference."""
    return torch.no_grad()(lambda *inputs: net(*inputs))


class TestUniverSeg(NetContract):
    sizes = ((16, 24), (32, 16))
    refused_sizes = ((17, 24), (16, 30), (0, 16))
    official_keys = "keys_universeg_v1.json"

    def build(self) -> nn.Module:
        return UniverSeg(SMALL)

    def build_official(self) -> nn.Module:
        return UniverSeg()

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        return task(batch, 3, height, width)

    def expected_shapes(self, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
        return [(batch, 1, height, width)]

    def silent_parameters(self, net: nn.Module) -> set[str]:
        return {f"dec_blocks.1.support.vmapped.conv.{kind}" for kind in ("weight", "bias")}


NETS = {
    "three levels": (SMALL, None),
    "own decoder": (((4, 6), (8, 8)), ((5, 7),)),
    "five levels": ((3, 4, 5, 6, 7), None),
    "one level": ((5,), None),
}


@pytest.mark.parametrize("widths", NETS.values(), ids=NETS.keys())
@pytest.mark.parametrize(("height", "width"), [(16, 16), (48, 32)])
@pytest.mark.parametrize("examples", [1, 5])
def test_both_paths_give_the_textbook_result(widths, height, width, examples):
    torch.manual_seed(0)
    net = UniverSeg(*widths).double()
    inputs = [tensor.double() for tensor in task(2, examples, height, width)]
    expected = textbook.universeg(net, *inputs)
    torch.testing.assert_close(net(*inputs), expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(fast(net)(*inputs), expected.detach(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (3, 2), (7, 5)])
def test_the_composed_level_is_exact_on_the_smallest_planes(size):
    torch.manual_seed(0)
    net = UniverSeg((5,)).double()
    inputs = [tensor.double() for tensor in task(1, 2, *size)]
    expected = textbook.universeg(net, *inputs).detach()
    torch.testing.assert_close(fast(net)(*inputs), expected, rtol=1e-9, atol=1e-12)


def test_gradients_equal_the_textbook_gradients():
    net = small_net().double()
    inputs = [tensor.double().requires_grad_() for tensor in task(2, 3, 16, 24)]
    wanted = [*net.parameters(), *inputs]
    gradients = [
        torch.autograd.grad(function(*inputs).square().sum(), wanted, allow_unused=True)
        for function in (net, lambda *task: textbook.universeg(net, *task))
    ]
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-11)


def test_chunks_and_recomputation_change_nothing(monkeypatch):
    net, inputs = small_net(), task(1, 7, 16, 24)
    whole = fast(net)(*inputs)
    per_map = 16 * 24 * 4
    monkeypatch.setattr(universeg_fast, "_CPU_CHUNK_BYTES", 2 * 6 * per_map)
    monkeypatch.setattr(universeg_fast, "_KEPT_BYTES", 4 * 6 * per_map)
    torch.testing.assert_close(fast(net)(*inputs), whole, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(universeg_fast, "_KEPT_BYTES", 0)
    torch.testing.assert_close(fast(net)(*inputs), whole, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("expanded", [False, True])
def test_one_support_set_serves_several_queries(expanded):
    net = small_net()
    query, images, labels = task(3, 4, 16, 24, support_batch=1)
    if expanded:
        images, labels = (maps.expand(3, -1, -1, -1, -1) for maps in (images, labels))
    single = [net(one[None], images[:1], labels[:1]).detach() for one in query]
    for path in (net, fast(net)):
        torch.testing.assert_close(path(query, images, labels).detach(), torch.cat(single))


def peak_megabytes(call: Callable[[], object]) -> float:
    """Give the most megabytes that were allocated at once while the call ran."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
        call()
    events = profile.profiler.kineto_results.events()
    alive = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            alive += event.nbytes()
            highest = max(highest, alive)
    return highest / 2**20


def test_several_queries_take_the_memory_of_one():
    net = small_net()
    one, many = (task(batch, 2, 64, 64, support_batch=1) for batch in (1, 6))
    few = peak_megabytes(lambda: fast(net)(*one))
    assert few > 0.1
    assert peak_megabytes(lambda: fast(net)(*many)) <= 1.2 * few


def test_memory_stays_bounded_for_three_hundred_examples(monkeypatch):
    """With narrow maps, and with budgets that are narrower still."""
    per_map = 16 * 16 * 8 * 4
    monkeypatch.setattr(universeg_fast, "_CPU_CHUNK_BYTES", 16 * per_map)
    monkeypatch.setattr(universeg_fast, "_KEPT_BYTES", 32 * per_map)
    net = UniverSeg((8, 8, 8, 8))
    some, many = (task(1, examples, 16, 16) for examples in (120, 300))
    enough = peak_megabytes(lambda: fast(net)(*some))
    assert 48 * per_map < enough * 2**20 < 200 * per_map
    assert peak_megabytes(lambda: fast(net)(*many)) <= 1.05 * enough


def test_the_order_of_the_examples_does_not_matter():
    net, (query, images, labels) = small_net(), task(1, 5, 16, 16)
    swapped = fast(net)(query, images.flip(1), labels.flip(1))
    torch.testing.assert_close(swapped, fast(net)(query, images, labels), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float64])
def test_masks_may_have_any_dtype(dtype):
    net, (query, images, labels) = small_net(), task(1, 2, 16, 16)
    expected = net(query, images, labels).detach()
    for path in (net, fast(net)):
        torch.testing.assert_close(path(query, images, labels.to(dtype)).detach(), expected)


def test_runs_under_autocast():
    net, inputs = small_net(), task(1, 3, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        plain, found = net(*inputs).detach(), fast(net)(*inputs)
    torch.testing.assert_close(plain.float(), found.float(), rtol=0.1, atol=0.05)


def test_later_changes_of_the_weights_show():
    net, inputs = small_net(), task(1, 2, 16, 16)
    before = fast(net)(*inputs)
    with torch.no_grad():
        net.enc_blocks[0].cross.cross_conv.weight.mul_(2)
    assert not torch.allclose(fast(net)(*inputs), before)


def test_hooks_on_blocks_are_called_in_inference_too():
    net, seen = small_net(), []
    for block in net.enc_blocks:
        block.register_forward_hook(lambda module, inputs, output: seen.append(module))
    with torch.inference_mode():
        net(*task(1, 2, 16, 16))
    assert seen == list(net.enc_blocks)


def test_the_fast_path_leaves_no_graph_and_the_plain_one_does():
    net, inputs = small_net(), task(1, 2, 16, 16)
    assert net(*inputs).requires_grad
    assert not fast(net)(*inputs).requires_grad
    assert not net.requires_grad_(False)(*inputs).requires_grad


WRONG = {
    "three channels": ((1, 3, 16, 16), (1, 2, 1, 16, 16), (1, 2, 1, 16, 16), "grey"),
    "no batch": ((1, 16, 16), (1, 2, 1, 16, 16), (1, 2, 1, 16, 16), "query images of shape"),
    "a mask missing": ((1, 1, 16, 16), (1, 2, 1, 16, 16), (1, 1, 1, 16, 16), "one shape"),
    "colour examples": ((1, 1, 16, 16), (1, 2, 3, 16, 16), (1, 2, 3, 16, 16), "one shape"),
    "no example": ((1, 1, 16, 16), (1, 0, 1, 16, 16), (1, 0, 1, 16, 16), "at least one example"),
    "other batch": ((3, 1, 16, 16), (2, 2, 1, 16, 16), (2, 2, 1, 16, 16), "3 query images but 2"),
    "other size": ((1, 1, 16, 16), (1, 2, 1, 16, 24), (1, 2, 1, 16, 24), "16 x 24"),
    "not a multiple": ((1, 1, 18, 16), (1, 2, 1, 18, 16), (1, 2, 1, 18, 16), "multiples of 4"),
}


@pytest.mark.parametrize(("query", "images", "labels", "says"), WRONG.values(), ids=WRONG.keys())
def test_inputs_that_do_not_fit_get_one_clear_sentence(query, images, labels, says):
    net = small_net()
    for path in (net, fast(net)):
        with pytest.raises(ValueError, match=says) as refusal:
            path(torch.zeros(query), torch.zeros(images), torch.zeros(labels))
        assert "\n" not in str(refusal.value)


def test_integer_images_are_refused():
    query, images, labels = task(1, 2, 16, 16)
    with pytest.raises(ValueError, match="floating point"):
        small_net()((query * 255).byte(), images, labels)


@pytest.mark.parametrize("widths", [((), None), ((4, 4), (4, 4)), ((4,), (4,))])
def test_block_counts_that_do_not_fit_are_refused(widths):
    with pytest.raises(ValueError, match="one decoder block fewer"):
        UniverSeg(*widths)


def test_an_unknown_cross_nonlinearity_is_refused():
    with pytest.raises(ValueError, match="LeakyReLU"):
        CrossBlock(4, 4, cross_nonlinearity="ReLU6")


def test_starts_from_the_published_initialisation():
    torch.manual_seed(0)
    for name, weight in UniverSeg().named_parameters():
        if name.endswith("bias"):
            assert not weight.any()
        else:
            gain = 1 if "cross" in name or "out" in name else 2**0.5
            expected = gain / weight[0].numel() ** 0.5
            assert weight.std().item() == pytest.approx(expected, rel=0.15)
