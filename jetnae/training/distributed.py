"""Several processes, one training: each takes its share of every batch, and all hold the same weights.

Gradients are averaged after the backward pass instead of wrapping the model in `DistributedDataParallel`: that wrapper
follows `forward`, but a model here is trained through `loss`, which runs encoder and decoder many times within its
chains. With networks of 10^5 weights one sum over all gradients costs next to nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from jetnae.errors import InputError


@dataclass(frozen=True)
class Group:
    """The processes of one training: this one's `rank` among `size`. Rank 0 writes files and speaks."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def share(self, batch_size: int) -> int:
        """This process's share of a batch; raises `InputError` for batches of fewer inputs than processes."""
        if batch_size < self.size:
            raise InputError(f"batch_size {batch_size} for {self.size} processes, expected at least one input for each")
        return batch_size // self.size + (self.rank < batch_size % self.size)

    def average(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean of each value over the processes, the same number in all of them."""
        if self.size == 1:
            return dict(values)
        vector = torch.tensor(list(values.values()), dtype=torch.float64, device=_device())
        distributed.all_reduce(vector)
        return dict(zip(values, (vector / self.size).tolist(), strict=True))

    def average_gradients(self, model: nn.Module, batch_size: int) -> None:
        """Replace gradients by their mean over the whole batch, each process counting for its share of it."""
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        if self.size == 1 or not gradients:
            return
        vector = torch.cat([each.flatten() for each in gradients]) * (self.share(batch_size) / batch_size)
        distributed.all_reduce(vector)
        for gradient, mean in zip(gradients, torch.split(vector, [each.numel() for each in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def agree(self, model: nn.Module) -> None:
        """Take weights and buffers from rank 0."""
        if self.size > 1:
            for tensor in (*model.parameters(), *model.buffers()):
                distributed.broadcast(tensor.data, 0)

    def gather(self, tensors: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
        """The tensors of all processes, by rank; they have the same names, shapes and types everywhere."""
        if self.size == 1:
            return [dict(tensors)]
        found: list[dict[str, Tensor]] = [{} for _ in range(self.size)]
        for key in sorted(tensors):
            mine = tensors[key].to(_device()).contiguous()
            parts = [torch.empty_like(mine) for _ in range(self.size)]
            distributed.all_gather(parts, mine)
            for rank, part in enumerate(parts):
                found[rank][key] = part.cpu()
        return found

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            distributed.barrier()


def _device() -> torch.device:
    """Where tensors must be to be exchanged."""
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")


def is_launched() -> bool:
    """Whether this process is one of several that `torchrun` started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ


@contextmanager
def join_group(device: torch.device) -> Iterator[tuple[Group, torch.device]]:
    """This process's place among those of `torchrun`, and its device; alone where there are no others."""
    if not is_launched():
        yield Group(), device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (RuntimeError, ValueError) as error:
        raise InputError(f"the processes of torchrun do not find each other ({str(error)[:100]})") from error
    try:
        yield Group(distributed.get_rank(), distributed.get_world_size()), device
    finally:
        distributed.destroy_process_group()
