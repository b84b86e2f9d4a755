"""Several processes that share a training, as torchrun starts them; one process needs nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Processes:
    """The processes of a training: which one this is, and how many there are."""

    rank: int = 0
    world: int = 1
    control: Any = None
    """A group on the CPU for decisions, so that asking never waits for a GPU."""

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes files."""
        return self.rank == 0

    def wrapped(self, loss: nn.Module) -> nn.Module:
        """Let the gradients of a module be averaged over all processes in its backward pass."""
        if self.world == 1:
            return loss
        # Nets may leave parameters unused; the buffers are those of the first process when saved.
        return DistributedDataParallel(loss, broadcast_buffers=False, find_unused_parameters=True)

    def agreed(self, value: float) -> float:
        """Give every process the largest value that one of them names."""
        if self.world == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(shared, dist.ReduceOp.MAX, group=self.control)
        return float(shared)


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Join the processes that torchrun has started; alone without torchrun.

    Parameters
    ----------
    device
        Where this process computes; GPUs talk by NCCL, everything else by Gloo.

    Raises
    ------
    RuntimeError
        When one of the others has ended.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), world, dist.new_group(backend="gloo"))
    except RuntimeError as error:
        if not _is_about_others(error):
            raise
        raise RuntimeError(
            "Another process of this training ended, so this one cannot go on; see what that one "
            "said."
        ) from error
    finally:
        dist.destroy_process_group()


def _is_about_others(error: RuntimeError) -> bool:
    """Say whether an error came of talking to another process; those of Gloo have no class."""
    return isinstance(error, dist.DistError) or "/gloo/" in str(error)


def local_device(name: str) -> str:
    """Give each process of one computer its own GPU where a GPU is asked for."""
    rank = os.environ.get("LOCAL_RANK")
    wants_gpu = name == "cuda" or (name == "auto" and torch.cuda.is_available())
    return f"cuda:{rank}" if rank is not None and wants_gpu else name
