"""The device that does the arithmetic, and what happens when its memory runs out."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch

Float = npt.NDArray[Any]

ERRORS = (
    MemoryError,
    RuntimeError,
)  # among which `is_out_of_memory` tells; torch's own is one of these


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


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory has run out.

    torch has a type for that of a GPU, for the processor's only words.
    """
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )
