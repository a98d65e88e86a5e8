"""One training by several processes, each with its part of every batch, by torch's own means.

``torchrun --nproc-per-node 2 -m hwnas train ...`` starts them; they find each other by the
environment that it sets. Batch-norm sees each process's own images, as is usual.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch import distributed as dist

from hwnas.errors import InputError


@dataclass(frozen=True, slots=True)
class Group:
    """The processes that train together.

    Attributes:
        rank: Of this one; rank 0 alone writes files.
        size: Their number; 1 without torchrun.
    """

    rank: int = 0
    size: int = 1

    def part(self, batch: Tensor) -> Tensor:
        """This process's images or labels of a batch."""
        return batch[self.rank :: self.size]

    def average_gradients(self, module: nn.Module) -> None:
        """Replace gradients by their mean over all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in module.parameters() if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            dist.barrier()


def first_process() -> bool:
    """Whether this is the process that speaks for all: the only one, or torchrun's rank 0."""
    return _size() == 1 or os.environ.get("RANK") == "0"


@contextmanager
def joined(device: torch.device, batch_size: int) -> Iterator[Group]:
    """The group that torchrun started this process in; of one process without torchrun.

    Args:
        device: That this process computes on.
        batch_size: Of all processes together.

    Raises:
        InputError: The batch cannot be dealt out evenly.
    """
    size = _size()
    if size == 1:
        yield Group()
        return
    if batch_size % size:
        raise InputError(
            f"A batch of {batch_size} images cannot be dealt out to {size} processes evenly; "
            f"choose a batch_size that {size} divides."
        )
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


def compute_device(name: str) -> torch.device:
    """Where to compute: ``cpu``, ``cuda`` (under torchrun, the process's own), ``cuda:1``.

    Raises:
        InputError: There is no such device here.
    """
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(
            f"{name!r} is no device of torch; expected cpu, cuda or cuda:0."
        ) from error
    if device.type == "cuda":
        found = torch.cuda.device_count()
        if (device.index or 0) >= found:
            raise InputError(
                f"Training was asked for on {name}, and torch sees {found} GPUs here; use fewer "
                "processes, another device, or a build of torch with CUDA."
            )
    elif device.type != "cpu":
        raise InputError(f"{name!r} is not supported; expected cpu, cuda or cuda:0.")
    return device


def _size() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))
