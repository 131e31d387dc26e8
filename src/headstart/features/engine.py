"""The engine: files in, pooled vectors out, every picture decoded once and passed once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from headstart.features.views import View
from headstart.results import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.pictures import PictureSet
    from headstart.features.backends import Backend
    from headstart.sources import Preprocessing

SHARD = 256
Batch = tuple["NDArray[np.int64]", list["NDArray[np.float32]"]]


def batches(
    backend: Backend,
    pictures: PictureSet,
    rows: NDArray[np.int64],
    preprocessing: Preprocessing,
    failed: dict[int, str] | None = None,
    view: View | None = None,
) -> Iterator[Batch]:
    """Yield (rows, vectors a tap), batch by batch in the order of ``rows``.

    A worker decodes, fits and computes its own batch, so that no processor waits for another; only a few batches
    are held at a time. The reason why a picture cannot be read goes to ``failed`` where that is given (the row's
    vectors then mean nothing), else it is raised. Without a ``view`` it is the plain one that is passed.
    """
    view = view or View()
    at_least = view.at_least(preprocessing)
    digests = pictures.digests if view.number else np.zeros((len(pictures), 32), np.uint8)

    def work(chunk: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        batch = np.empty((len(chunk), *preprocessing.size, 3), dtype=np.uint8)
        for slot, row in enumerate(chunk):
            try:
                batch[slot] = view.draw(pictures.open(int(row), at_least=at_least), preprocessing, digests[row])
            except PictureError as error:
                if failed is None:
                    raise
                batch[slot] = 0
                failed[int(row)] = str(error)
        return backend(batch)

    pending: deque[tuple[NDArray[np.int64], Future[list[NDArray[np.float32]]]]] = deque()
    pool = ThreadPoolExecutor(backend.workers, thread_name_prefix="headstart")
    try:
        for start in range(0, len(rows), backend.batch_size):
            chunk = rows[start : start + backend.batch_size]
            pending.append((chunk, pool.submit(work, chunk)))
            if len(pending) > 4 * backend.workers:
                done, future = pending.popleft()
                yield done, future.result()
        while pending:
            done, future = pending.popleft()
            yield done, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def shards(
    backend: Backend,
    pictures: PictureSet,
    rows: NDArray[np.int64],
    preprocessing: Preprocessing,
    advance: Callable[[int], None],
    *,
    view: View | None = None,
    size: int = SHARD,
) -> Iterator[tuple[NDArray[np.int64], dict[str, NDArray[np.float32]]]]:
    """Yield (rows, vectors by tap) in pieces of ``size`` pictures or a little more, the last one shorter."""
    held: list[Batch] = []
    count = 0
    for batch in batches(backend, pictures, rows, preprocessing, view=view):
        held.append(batch)
        count += len(batch[0])
        advance(len(batch[0]))
        if count >= size:
            yield _joined(held, backend.taps)
            held, count = [], 0
    if held:
        yield _joined(held, backend.taps)


def _joined(held: list[Batch], taps: tuple[str, ...]) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float32]]]:
    rows = np.concatenate([rows for rows, _ in held])
    return rows, {tap: np.concatenate([outputs[k] for _, outputs in held]) for k, tap in enumerate(taps)}
