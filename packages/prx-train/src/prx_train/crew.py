"""The processes that train one model together, and what they have to agree on.

Any launcher that sets torch's variables (`accelerate launch`, `torchrun`) will do. Each process computes the gradients
of its own batches; the sum over all of them, taken once after the last, is what every process steps with, so that
weights, averages and optimizer states stay the same everywhere without ever being sent. With adapters there is little
to send, and of a whole model the sum takes a few hundredths of a step, so nothing is gained by hiding it. Where the
model is sharded, see `prx_train.sharding`, the gradients are summed as they are made, and every process takes part in
whatever needs the model: validation, samples, checkpoints, export. The first one writes all the same.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from prx_train.errors import Stopped
from prx_train.sharding import Sharding, asked_sharding

_PATIENCE = timedelta(hours=4)
"""While the first process exports or draws, the others wait for it."""


@dataclass(frozen=True, kw_only=True)
class Crew:
    """So many processes, of which this is one."""

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    sharding: Sharding | None = None
    """How the model is spread over the processes; None where each has a whole one."""
    stop: Callable[[], int] = lambda: 0
    """Asks whether this process is to end: 0, or the number of the signal that it got."""

    @property
    def evaluates(self) -> bool:
        """Whether this process takes part in what needs the model beside training."""
        return self.first or self.sharding is not None

    @property
    def first(self) -> bool:
        """Whether this is the process that writes, prints and reads the clock."""
        return self.rank == 0

    @property
    def devices(self) -> int:
        """What is paid for: one for each process on GPUs; a machine without them is one, however many share it."""
        return self.size if self.device.startswith("cuda") else 1

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Makes every gradient the sum over all processes; one that a process lacks counts as zero.

        Of a sharded model it is that already.
        """
        if self.size == 1 or self.sharding is not None:
            return
        chosen = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in chosen:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        flat = torch.cat([parameter.grad.reshape(-1) for parameter in chosen if parameter.grad is not None])
        dist.all_reduce(flat)
        start = 0
        for parameter in chosen:
            assert parameter.grad is not None  # noqa: S101
            parameter.grad.copy_(flat[start : start + parameter.numel()].view_as(parameter))
            start += parameter.numel()

    def sums(self, *values: float) -> list[float]:
        """The sum of each value over all processes."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor)
        return [float(value) for value in tensor]

    def from_first(self, *values: float) -> list[float]:
        """The first process's values."""
        return self.sums(*(values if self.first else [0.0] * len(values)))

    def wait(self) -> None:
        """Returns when all processes have come here."""
        if self.size > 1:
            self.sums(0.0)

    def largest(self, *values: float) -> list[float]:
        """The largest of each value over all processes."""
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, dist.ReduceOp.MAX)
        return [float(value) for value in tensor]

    def poll(self) -> None:
        """Where the first process works alone: ends that, if this process is asked to; the others wait in `agree`.

        Raises:
            Stopped: it is.
        """
        if self.first and (number := self.stop()):
            raise Stopped(number)

    def agree(self, number: int = 0) -> None:
        """Where all processes meet: ends in all of them what any is asked to end, for `number` if that is not 0.

        Raises:
            Stopped: one of them is.
        """
        if found := int(self.largest(float(number or self.stop()))[0]):
            raise Stopped(found, first=self.first)


def join_crew(device: str, stop: Callable[[], int] = lambda: 0) -> Crew:
    """Joins the processes that a launcher has started; alone if there is no launcher.

    Args:
        device: `cpu` or `cuda`; with several GPUs each process takes the one of its local rank.
        stop: As in `Crew`.

    Raises:
        ConfigError: the launcher is configured to do what is not done here.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    sharding = asked_sharding()
    if size == 1:
        return Crew(device=device, stop=stop)
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=_PATIENCE)
    return Crew(rank=dist.get_rank(), size=size, device=device, sharding=sharding, stop=stop)
