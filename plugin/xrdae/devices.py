"""Where the arithmetic is done."""

from __future__ import annotations

import torch


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
