"""One training run in several processes that ``torchrun`` started, with the same loss curve as in one.

    torchrun --nproc-per-node 2 -m medmamba train --batch 48 ...      # 24 pictures in each process

Every process draws the whole batch and all its random numbers from the same generators, and works on its own rows.
Whatever looks at more than one picture is made to look at the whole batch: the gradient (``DistributedDataParallel``),
batch norms, drop path. Equal shares make a mean over the batch the mean of the processes' means, so that the objective
needs to know nothing of this. What is left is the order in which sums are rounded.

``nn.SyncBatchNorm`` runs on GPUs only, hence ``WholeBatchNorm`` for CPUs.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from medmamba.errors import RequestError
from medmamba.model import DropPath
from medmamba.network import Network

PATIENCE = timedelta(hours=12)  # the others wait while the first reads all pictures, or validates


@dataclass(frozen=True)
class Team:
    """The processes of a run, seen from one of them. Without ``torchrun`` it is one process, and nothing changes.

    rank: which one this is; size: how many there are; device: where this one computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def share(self, *batch: Tensor) -> tuple[Tensor, ...]:
        """This process's rows of tensors (batch, ...), on its device."""
        return tuple(tensor.chunk(self.size)[self.rank].to(self.device) for tensor in batch)

    def join(self, model: Network) -> nn.Module:
        """What to call in training instead of the model, whose norms and drop paths are changed in place."""
        if self.size == 1:
            return model
        if self.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(model)
        for module in model.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = WholeBatchNorm
            elif type(module) is DropPath:
                module.__class__ = WholeBatchDropPath
        return DistributedDataParallel(model)

    def mean(self, value: Tensor) -> float:
        """The mean of a number over the processes."""
        total = value.detach().clone()
        if self.size > 1:
            distributed.all_reduce(total)
        return float(total) / self.size

    @contextlib.contextmanager
    def one_after_the_first(self) -> Iterator[None]:
        """The first process does the block alone, for the files that it leaves; then the others."""
        if not self.leads:
            distributed.barrier()
        yield
        if self.leads and self.size > 1:
            distributed.barrier()


@contextlib.contextmanager
def team(batch: int) -> Iterator[Team]:
    """The team that ``torchrun`` has put this process into, by its variables, to share batches of so many pictures.

    Raises:
        RequestError: they cannot be shared out evenly.
    """
    size, on_gpu = int(os.environ.get("WORLD_SIZE", "1")), torch.cuda.is_available()
    if batch % size:
        raise RequestError(f"--batch {batch} cannot be shared out evenly among {size} processes.")
    if size == 1:
        yield Team(0, 1, torch.device("cuda" if on_gpu else "cpu"))
        return
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield Team(distributed.get_rank(), size, device)
    finally:
        distributed.destroy_process_group()


class _Total(torch.autograd.Function):
    """The sum of a tensor over the processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(_: Any, own: Tensor) -> Tensor:
        total = own.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return _Total.forward(_, gradients[0])


class WholeBatchNorm(nn.BatchNorm2d):
    """Batch norm whose mean and variance in training are those of all processes' pictures, (batch, channels, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        size = distributed.get_world_size()
        own_variance, own_mean = (part.double() for part in torch.var_mean(x.float(), (0, 2, 3), correction=0))
        own_moments = torch.stack([own_mean, own_variance + own_mean.square()])  # one message for both
        mean, square = cast(Tensor, _Total.apply(own_moments)) / size
        variance = (square - mean.square()).float()  # nothing is lost by the difference: it is one of float64
        mean = mean.float()
        self._remember(mean.detach(), variance.detach(), size * x.numel() // x.shape[1])
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return torch.addcmul(shift[:, None, None], x.float(), scale[:, None, None]).to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor, values: int) -> None:
        """Move the running statistics; the variance without bias, as ``nn.BatchNorm2d`` does."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum or 0.0)
        self.running_var.lerp_(variance * (values / (values - 1)), self.momentum or 0.0)
        self.num_batches_tracked += 1


class WholeBatchDropPath(DropPath):
    """Drop path that draws for all processes' pictures, and keeps what falls on its own."""

    def draw(self, count: int, device: torch.device) -> Tensor:
        size = distributed.get_world_size()
        return super().draw(count * size, device).chunk(size)[distributed.get_rank()]
