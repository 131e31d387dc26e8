"""The processes of one run: started by torchrun, they share out the pictures and decide alike.

Every process runs the same commands on the same data. What depends on the clock or on files is done by the first one
before the others look (:meth:`Team.first`); pictures are shared out and meet in the activation cache; gradients are
added up. Without torchrun there is one process and nothing here does anything.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from headstart.results.errors import HeadstartError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

T = TypeVar("T")
_LONGEST = 7 * 24  # hours that one process may wait for another


@dataclasses.dataclass(frozen=True)
class Team:
    """This process among those of the run.

    Attributes
    ----------
    rank : int
        Its number, from 0.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether it is the one that writes and speaks."""
        return self.rank == 0

    def share(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return this process's share of ``rows``: together they have each once.

        >>> import numpy as np
        >>> [Team(rank, 2).share(np.arange(5)).tolist() for rank in (0, 1)]
        [[0, 2, 4], [1, 3]]
        """
        return rows[self.rank :: self.size]

    def together(self) -> None:
        """Wait until every process is here."""
        if self.size > 1:
            from torch import distributed

            distributed.barrier()

    def first(self, work: Callable[[], T]) -> T:
        """Return what ``work`` returns: the first process does it, and the others when it has finished.

        Raises
        ------
        HeadstartError
            On every process, if the first one met it.
        """
        if self.size == 1:
            return work()
        from torch import distributed

        said: list[str | None] = [None]
        if self.leads:
            try:
                result = work()
            except HeadstartError as error:
                said = [str(error)]
                raise
            finally:
                distributed.broadcast_object_list(said)
            return result
        distributed.broadcast_object_list(said)
        if said[0] is not None:
            raise HeadstartError(said[0])
        return work()

    def add_up(self, *tensors: Tensor) -> None:
        """Replace tensors, alike in shape on every process, by their sums over the processes, in one message."""
        if self.size == 1:
            return
        import torch
        from torch import distributed

        joined = torch.cat([one.reshape(-1) for one in tensors])
        distributed.all_reduce(joined)
        start = 0
        for one in tensors:
            one.copy_(joined[start : start + one.numel()].view_as(one))
            start += one.numel()


@functools.cache
def team() -> Team:
    """Return this process's place among those that torchrun started; the first call connects them."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1 or "TORCHELASTIC_RUN_ID" not in os.environ:
        return Team()
    import datetime

    import torch
    from torch import distributed

    cuda = torch.cuda.is_available() and distributed.is_nccl_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not distributed.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
        distributed.init_process_group(backend, timeout=datetime.timedelta(hours=_LONGEST))
        atexit.register(distributed.destroy_process_group)
    return Team(distributed.get_rank(), size)
