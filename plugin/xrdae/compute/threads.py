"""Compute blocks of patterns in parallel threads. Under dask, each task uses one thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from xrdae.compute.device import ERRORS, is_out_of_memory

Float = npt.NDArray[Any]

MOST_THREADS = 8  # beyond, reading the data takes longer than computing, and scratch adds up


class Scratch(threading.local):
    """Memory for intermediate results that all blocks of a thread reuse.

    The system would otherwise map fresh memory for each block. That takes as long as the
    arithmetic if the allocator returns memory at once, as in dask's workers.
    """

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def __call__(self, name: str, *shape: int, like: Tensor) -> Tensor:
        """Return an uninitialized tensor of the type and on the device of `like`."""
        held = self._held.get(name)
        if held is None or held.shape != shape:
            del held
            self._held.pop(name, None)  # before: memory may be too small for both
            held = self._held[name] = like.new_empty(shape)
        return held


_ONE_BY_ONE = threading.Lock()


def count_threads() -> int:
    """Return the number of threads that torch uses in this thread.

    A new thread takes the number that was set last, so the lock keeps it from a temporary one.
    """
    with _ONE_BY_ONE:
        return torch.get_num_threads()


def set_thread_count(count: int) -> None:
    """Set the number of threads that torch uses in this thread, but not in new threads.

    New threads take the number that was set last, so a helper thread sets the earlier one again.
    threadpoolctl cannot replace this: after a call of `torch.set_num_threads`, torch's MKL ignores
    its limit (decision record 0007).
    """
    if count_threads() == count:
        return
    started, finished = threading.Event(), threading.Event()

    def keep() -> None:
        before = torch.get_num_threads()
        started.set()
        finished.wait()
        torch.set_num_threads(before)

    with _ONE_BY_ONE:
        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            started.wait()
            torch.set_num_threads(count)
        finally:
            finished.set()
            keeper.join()


@contextmanager
def limit_to_one_thread() -> Iterator[None]:
    """Limit torch to one thread inside the block, in this thread only."""
    before = count_threads()
    set_thread_count(1)
    try:
        yield
    finally:
        set_thread_count(before)


def compute_by_blocks(
    kernel: Callable[[Float], tuple[Float, ...]], rows: Float, size: int
) -> tuple[Float, ...]:
    """Apply a kernel to blocks of `size` rows `(pattern, point)`, and concatenate the results.

    Each block is computed in one thread, and as many blocks in parallel as torch may use threads.
    The intermediate results of a block stay in a core's cache, and no thread waits for others
    after every operation. If memory runs out, a block is computed in smaller pieces.
    """
    blocks = [rows[start : start + size] for start in range(0, max(len(rows), 1), size)]
    fitting = functools.partial(compute_in_pieces, kernel)
    threads = min(count_threads(), MOST_THREADS, len(blocks))
    if threads == 1:
        with limit_to_one_thread():
            parts = [fitting(block) for block in blocks]
    else:
        with ThreadPoolExecutor(threads, initializer=set_thread_count, initargs=(1,)) as pool:
            parts = list(pool.map(fitting, blocks))
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def compute_in_pieces(
    kernel: Callable[[Float], tuple[Float, ...]], rows: Float
) -> tuple[Float, ...]:
    """Apply a kernel to rows `(pattern, point)`, or to halves of them if memory runs out.

    Raises
    ------
    MemoryError
        If memory runs out for a single row.
    """
    try:
        return kernel(rows)
    except ERRORS as error:
        if not is_out_of_memory(error):
            raise
        if len(rows) <= 1:
            raise MemoryError(
                f"memory has run out for a single pattern ({error}); free some, or compute on "
                "another device: load_model(path, device='cpu')"
            ) from error
    # Outside of `except`, since the error keeps the intermediate results in memory.
    half = len(rows) // 2
    parts = [compute_in_pieces(kernel, some) for some in (rows[:half], rows[half:])]
    return tuple(np.concatenate(pair) for pair in zip(*parts, strict=True))
