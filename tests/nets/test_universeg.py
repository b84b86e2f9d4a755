"""UniverSeg keeps the contract of every net, and agrees with the published one."""

from __future__ import annotations

from torch import Tensor, nn

from napari_medseg.nets.universeg import UniverSeg

from .base import NetContract, seeded, seeded_mask


class TestUniverSeg(NetContract):
    sizes = ((16, 24), (32, 16))
    official_keys = "keys_universeg_v1.json"

    def build(self) -> nn.Module:
        return UniverSeg(((4, 6), (8, 10), (12, 14)))

    def build_official(self) -> nn.Module:
        return UniverSeg()

    def inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        query = seeded(batch, 1, height, width)
        images = seeded(batch, 3, 1, height, width, seed=1)
        return query, images, seeded_mask(batch, 3, 1, height, width, seed=2)

    def expected_shapes(self, batch: int, height: int, width: int) -> list[tuple[int, ...]]:
        return [(batch, 1, height, width)]

    def silent_parameters(self, net: nn.Module) -> set[str]:
        return {f"dec_blocks.1.support.vmapped.conv.{kind}" for kind in ("weight", "bias")}
