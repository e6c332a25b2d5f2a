"""Threads: blocks of patterns side by side in memory; one thread a task under dask."""

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
    """Memory for intermediate results, used again for block after block, a set for each thread.

    Fresh memory has to be mapped by the system, which takes as long as the arithmetic where the
    allocator hands all of it back at once, as in dask's workers.
    """

    def __init__(self) -> None:
        self._held: dict[str, Tensor] = {}

    def __call__(self, name: str, *shape: int, like: Tensor) -> Tensor:
        """Return a tensor without content, of the type and on the device of `like`."""
        held = self._held.get(name)
        if held is None or held.shape != shape:
            del held
            self._held.pop(name, None)  # first: memory may be too short for both
            held = self._held[name] = like.new_empty(shape)
        return held


_ONE_BY_ONE = threading.Lock()


def count_threads() -> int:
    """Return how many threads torch uses in this thread.

    The first who asks in a new thread gets what torch was told last: not while that changes.
    """
    with _ONE_BY_ONE:
        return torch.get_num_threads()


def set_thread_count(count: int) -> None:
    """Let torch use so many threads in this thread, and as many as before in threads to come.

    What torch is told last holds for threads to come, so a new thread tells it what was before.
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
    """Let torch use one thread in here, in this thread; then as many as before."""
    before = count_threads()
    set_thread_count(1)
    try:
        yield
    finally:
        set_thread_count(before)


def compute_by_blocks(
    kernel: Callable[[Float], tuple[Float, ...]], rows: Float, size: int
) -> tuple[Float, ...]:
    """Apply a kernel to `size` rows `(pattern, point)` at a time and join what it returns.

    As many blocks side by side as torch may use threads, each with one: the intermediate results
    of a block stay in a core's cache, and no thread waits for others after every operation. Where
    memory runs out, a block is computed in smaller pieces.
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
    """Apply a kernel to rows `(pattern, point)`, or to halves of them where memory runs out.

    Raises
    ------
    MemoryError
        If it does for a single row.
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
    # Here, for the error holds on to what was computed.
    half = len(rows) // 2
    parts = [compute_in_pieces(kernel, some) for some in (rows[:half], rows[half:])]
    return tuple(np.concatenate(pair) for pair in zip(*parts, strict=True))
