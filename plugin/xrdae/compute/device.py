"""Find the device to compute on, and detect that its memory has run out."""

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
    """Return a device by name. "auto" is the first CUDA device, or the processor without one.

    Raises
    ------
    ValueError
        If this machine has no such device.
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

    torch has an error type for GPU memory. For processor memory, only the message tells.
    """
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    )
