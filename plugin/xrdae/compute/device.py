"""The device that does the arithmetic, and what happens when its memory runs out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Float = npt.NDArray[Any]

ERRORS = (MemoryError, RuntimeError)  # among which `ran_out` tells; torch's own is one of these


def find_device(name: str) -> torch.device:
    """Return the device of a name: "auto" is the first CUDA device, else the processor.

    Raises
    ------
    ValueError
        If there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        raise ValueError(
            f"device={name!r} cannot be used here ({str(error).splitlines()[0]}); there are "
            f"{', '.join(['cpu', *there])}: choose one, or 'auto', in fit(device=...) or "
            "load_model(path, device=...)"
        ) from error
    return device


def ran_out(error: BaseException) -> bool:
    """Tell whether an error says that memory has run out.

    torch has a type for that of a GPU, for the processor's only words.
    """
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )


def in_pieces(kernel: Callable[[Float], tuple[Float, ...]], rows: Float) -> tuple[Float, ...]:
    """Apply a kernel to rows `(pattern, point)`, or to halves of them where memory runs out.

    Raises
    ------
    MemoryError
        If it does for a single row.
    """
    try:
        return kernel(rows)
    except ERRORS as error:
        if not ran_out(error):
            raise
        if len(rows) <= 1:
            raise MemoryError(
                f"memory has run out for a single pattern ({error}); free some, or compute on "
                "another device: load_model(path, device='cpu')"
            ) from error
    # Here, for the error holds on to what was computed.
    half = len(rows) // 2
    parts = [in_pieces(kernel, some) for some in (rows[:half], rows[half:])]
    return tuple(np.concatenate(pair) for pair in zip(*parts, strict=True))
