"""Processes that share a training: losses are those of the whole batch, and one's end is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor

from medseg_training.distributed import joined
from medseg_training.losses.condseg import ConsistencyReinforcement, SemanticDecouplingLoss
from medseg_training.losses.dice_ce import dice_cross_entropy

WORLD = 2


def _decoupling(maps: list[Tensor], target: Tensor) -> Tensor:
    mask, fg, bg, uncertain = (m.sigmoid() for m in maps)
    return SemanticDecouplingLoss()((mask, fg, bg, uncertain), target, 1 - target)


def _consistency(maps: list[Tensor], target: Tensor) -> Tensor:
    return ConsistencyReinforcement()(maps[0].sigmoid(), maps[1].sigmoid(), target)


def _cross_entropy(maps: list[Tensor], target: Tensor) -> Tensor:
    return dice_cross_entropy(torch.cat(maps[:2], 1), target[:, 0].long())


LOSSES = {"decoupling": _decoupling, "consistency": _consistency, "dice": _cross_entropy}


def _batch() -> tuple[list[Tensor], Tensor]:
    """Four images, two with a large and two with a small object."""
    generator = torch.Generator().manual_seed(0)
    maps = [torch.randn(4, 1, 16, 16, generator=generator).requires_grad_() for _ in range(4)]
    target = torch.zeros(4, 1, 16, 16)
    target[:2, :, :14, :14] = 1
    target[2:, :, :2, :2] = 1
    return maps, target


def _gradients(loss: Callable[..., Tensor], part: slice) -> list[Tensor]:
    maps, target = _batch()
    loss([m[part] for m in maps], target[part]).backward()
    return [torch.zeros_like(m) if m.grad is None else m.grad for m in maps]


def _share(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=WORLD)
    part = slice(2 * rank, 2 * rank + 2)
    found = {name: _gradients(loss, part) for name, loss in LOSSES.items()}
    torch.save(found, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def shared_out(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, list[Tensor]]]:
    """Gradients of each process for its half of the batch."""
    folder = tmp_path_factory.mktemp("processes")
    mp.spawn(_share, (str(folder),), nprocs=WORLD)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("name", LOSSES)
def test_the_mean_gradient_is_that_of_the_whole_batch(shared_out, name):
    whole = _gradients(LOSSES[name], slice(None))
    for index, expected in enumerate(whole):
        mean = sum(parts[name][index] for parts in shared_out) / WORLD
        torch.testing.assert_close(mean, expected, rtol=1e-5, atol=1e-9)


def _lose_the_other(rank: int, folder: str, port: int) -> None:
    os.environ |= {"WORLD_SIZE": str(WORLD), "RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    try:
        with joined(torch.device("cpu")) as processes:
            processes.agreed(0.0)
            if rank == 1:
                os._exit(0)
            processes.agreed(0.0)
    except RuntimeError as error:
        (Path(folder) / "said.txt").write_text(str(error))


def test_a_process_says_that_another_one_ended(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(_lose_the_other, (str(tmp_path), port), nprocs=WORLD)
    assert (tmp_path / "said.txt").read_text().startswith("Another process of this training ended")
