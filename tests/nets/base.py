"""What every net of the package promises, as tests that each net's test module inherits.

A test module describes its net once and gets the whole contract::

    class TestUNet(NetContract):
        sizes = ((32, 48), (33, 47))
        refused_sizes = ((1, 1),)
        official_keys = "keys_unet_transposed.json"

        def build(self):
            return UNet(1, 4, width=8)

        def build_official(self):
            return UNet(1, 9)

        def inputs(self, batch, height, width):
            return (seeded(batch, 1, height, width),)

        def expected_shapes(self, batch, height, width):
            return [(batch, 4, height, width)]
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn


def seeded(*shape: int, seed: int = 0) -> Tensor:
    """Values in [0, 1), the same in every run."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def seeded_mask(*shape: int, seed: int = 0) -> Tensor:
    """Zeros and ones as float32, the same in every run."""
    return (seeded(*shape, seed=seed) > 0.5).float()


def tensors_of(output: Any) -> list[Tensor]:
    """All tensors of a net's output, whatever container it comes in, in their order."""
    if isinstance(output, Tensor):
        return [output]
    if output is None:
        return []
    if hasattr(output, "__dataclass_fields__"):
        output = [getattr(output, name) for name in output.__dataclass_fields__]
    parts = output.values() if isinstance(output, Mapping) else output
    return [tensor for part in parts for tensor in tensors_of(part)]


def official_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """State-dict keys and shapes of a published net, in their order."""
    listing = json.loads(path.read_text())
    if "keys" in listing:
        return {key: tuple(entry["shape"]) for key, entry in listing["keys"].items()}
    return {entry["key"]: tuple(entry["shape"]) for entry in listing["entries"]}


class NetContract:
    """The promises; a subclass fills in `build`, `inputs` and `expected_shapes`."""

    sizes: Sequence[tuple[int, int]] = ((32, 32), (48, 32))
    """(height, width) that the net takes; odd ones too where it takes any size."""
    refused_sizes: Sequence[tuple[int, int]] = ()
    """(height, width) that the net refuses with a ValueError of one clear sentence."""
    official_keys: str | None = None
    """File of the reference keys folder that lists the published state dict."""
    half_dtypes: Sequence[torch.dtype] = (torch.bfloat16, torch.float16)
    half_tolerance: float = 0.05
    """Mean difference to float32 allowed in half precision, relative to the mean magnitude."""
    exportable: bool = True
    sees_images: bool = True
    """Whether it is a whole net; a part leaves it to the net around it to check images."""

    def build(self) -> nn.Module:
        """Give a small net, fast to run."""
        raise NotImplementedError

    def build_official(self) -> nn.Module:
        """Give the net at its published size, the one that `official_keys` lists."""
        return self.build()

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        """Arguments of `forward`, float32, the same in every call."""
        raise NotImplementedError

    def expected_shapes(self, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
        """Shapes of all tensors that `forward` gives for these inputs."""
        raise NotImplementedError

    def fresh(self, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return self.build().eval()

    @pytest.fixture
    def net(self) -> nn.Module:
        return self.fresh()

    def run(
        self, net: nn.Module, batch: int = 1, dtype: torch.dtype = torch.float32
    ) -> list[Tensor]:
        inputs = [tensor.to(dtype) for tensor in self.inputs(batch, *self.sizes[0])]
        with torch.no_grad():
            return tensors_of(net(*inputs))

    @pytest.mark.parametrize("batch", [1, 2])
    def test_gives_the_promised_shapes_at_every_size_it_takes(self, net, batch):
        for height, width in self.sizes:
            with torch.no_grad():
                outputs = tensors_of(net(*self.inputs(batch, height, width)))
            shapes = [tuple(output.shape) for output in outputs]
            assert shapes == self.expected_shapes(batch, height, width)
            assert all(output.isfinite().all() for output in outputs)

    def test_refuses_other_sizes_in_one_clear_sentence(self, net):
        for height, width in self.refused_sizes:
            with pytest.raises(ValueError, match=rf"{height}|{width}") as refusal:
                net(*self.inputs(1, height, width))
            assert "\n" not in str(refusal.value)

    def test_refuses_an_image_that_is_too_small_in_one_clear_sentence(self, net):
        if not self.sees_images:
            pytest.skip("a part of nets that check their images")
        with pytest.raises(ValueError) as refusal:
            net(*self.inputs(1, 1, 1))
        assert "\n" not in str(refusal.value)

    def test_refuses_an_image_of_other_channels_in_one_clear_sentence(self, net):
        if not self.sees_images:
            pytest.skip("a part of nets that check their images")
        image, *others = self.inputs(1, *self.sizes[0])
        wrong = torch.cat([image, image[:, :1]], 1)
        with pytest.raises(ValueError, match=rf"\b{wrong.shape[1]}\b") as refusal:
            net(wrong, *others)
        assert "\n" not in str(refusal.value)

    def test_a_pixel_without_a_value_is_not_hidden_and_spoils_no_other_image(self, net):
        image, *others = self.inputs(2, *self.sizes[0])
        broken = image.clone()
        broken[0, :, 3, 5] = torch.nan
        with torch.no_grad():
            whole = tensors_of(net(image, *others))
            found = tensors_of(net(broken, *others))
        assert any(output[0].isnan().any() for output in found)
        for before, after in zip(whole, found, strict=True):
            torch.testing.assert_close(after[1], before[1], rtol=1e-3, atol=1e-4)

    def test_has_the_published_keys_and_shapes_and_loads_them_strictly(self, request):
        if self.official_keys is None:
            pytest.skip("this net has no published state dict")
        folder = request.getfixturevalue("shared") / "reference" / "keys"
        expected = official_shapes(folder / self.official_keys)
        net = self.build_official()
        found = {key: tuple(tensor.shape) for key, tensor in net.state_dict().items()}
        assert found == expected
        net.load_state_dict(
            {key: torch.zeros(shape) for key, shape in expected.items()}, strict=True
        )

    def test_refuses_a_state_dict_with_a_key_missing(self, net):
        state = net.state_dict()
        state.pop(next(iter(state)))
        with pytest.raises(RuntimeError, match="Missing key"):
            net.load_state_dict(state)

    def test_gives_the_same_output_after_save_and_load(self, net, tmp_path):
        state = {key: tensor.contiguous() for key, tensor in net.state_dict().items()}
        save_file(state, tmp_path / "net.safetensors")
        other = self.fresh(seed=1)
        other.load_state_dict(load_file(tmp_path / "net.safetensors"), strict=True)
        for before, after in zip(self.run(net), self.run(other), strict=True):
            assert torch.equal(before, after)

    def test_is_deterministic_on_the_cpu(self, net):
        twin = self.fresh()
        for first, again, other in zip(self.run(net), self.run(net), self.run(twin), strict=True):
            assert torch.equal(first, again)
            assert torch.equal(first, other)

    def test_evaluates_each_sample_of_a_batch_for_itself(self, net):
        inputs = self.inputs(2, *self.sizes[0])
        with torch.no_grad():
            together = tensors_of(net(*inputs))
            alone = tensors_of(net(*(tensor[1:] for tensor in inputs)))
        for both, one in zip(together, alone, strict=True):
            torch.testing.assert_close(both[1:], one, rtol=1e-3, atol=1e-4)

    def test_stays_close_to_itself_in_half_precision(self, net):
        exact = self.run(net)
        for dtype in self.half_dtypes:
            half = self.run(self.fresh().to(dtype), dtype=dtype)
            for coarse, fine in zip(half, exact, strict=True):
                assert coarse.dtype == dtype
                difference = (coarse.float() - fine).abs().mean()
                assert difference <= self.half_tolerance * fine.abs().mean()

    def test_every_parameter_that_learns_gets_a_finite_gradient(self, net):
        net.train()
        outputs = tensors_of(net(*self.inputs(2, *self.sizes[0])))
        sum(output.float().square().mean() for output in outputs).backward()
        silent = {name for name, p in net.named_parameters() if p.grad is None}
        assert silent == self.silent_parameters(net)
        assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)

    def silent_parameters(self, net: nn.Module) -> set[str]:
        """Names of published parameters that the published net never uses."""
        return set()

    def test_can_be_exported_and_gives_the_same_output(self, net):
        if not self.exportable:
            pytest.skip("this net has a step that torch.export cannot follow")
        inputs = self.inputs(1, *self.sizes[0])
        with torch.no_grad():
            program = torch.export.export(net, inputs)
            exported = tensors_of(program.module()(*inputs))
            direct = tensors_of(net(*inputs))
        for ours, theirs in zip(direct, exported, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
