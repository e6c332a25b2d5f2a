"""How long a fit takes: 150 patterns x 2000 points, 8 members, on the simulated alloy series.

Run `python tests/benchmarks/fit.py`. The peer is one plain dense autoencoder (P-512-128-2, Adam)
on the full patterns, trained in the same run until its error is that of the fit, or for at most
ten times as long.
"""

from __future__ import annotations

import platform
import time

import numpy as np
import torch
from torch import nn

import xrdae
from xrdae.simulate import alloy_series

REPEATS = 3


def fit_seconds(series) -> tuple[float, xrdae.Model]:
    best = np.inf
    for seed in range(REPEATS):
        start = time.perf_counter()
        model = series.xrdae.fit(seed=seed, progress=False)
        best = min(best, time.perf_counter() - start)
    return best, model


def dense_seconds(inputs: np.ndarray, goal: float, limit: float) -> tuple[float, float]:
    """Return the time and the relative error of a dense autoencoder on prepared patterns."""
    torch.manual_seed(0)
    p = inputs.shape[1]
    network = nn.Sequential(
        nn.Linear(p, 512), nn.SiLU(), nn.Linear(512, 128), nn.SiLU(), nn.Linear(128, 2),
        nn.Linear(2, 128), nn.SiLU(), nn.Linear(128, 512), nn.SiLU(), nn.Linear(512, p),
    )  # fmt: skip
    x = torch.as_tensor(inputs)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    start, error = time.perf_counter(), np.inf
    while error > goal and time.perf_counter() - start < limit:
        for rows in torch.randperm(len(x)).split(32):
            loss = (network(x[rows]) - x[rows]).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            error = float(((network(x) - x).square().sum() / x.square().sum()).sqrt())
    return time.perf_counter() - start, error


def main() -> None:
    series = alloy_series()
    series.isel(pattern=slice(8)).xrdae.fit(steps=20, progress=False)  # imports, first calls
    seconds, model = fit_seconds(series)
    inputs = model.model_input(series).values
    auto = model.autoencoder
    latents = series.xrdae.encode(model)["latent"].values
    decoded = auto.basis.expand(auto.decoded(latents).mean(axis=0))
    error = float(np.linalg.norm(decoded - inputs) / np.linalg.norm(inputs))
    dense, dense_error = dense_seconds(inputs, error, limit=10 * seconds)
    print(f"python {platform.python_version()}, torch {torch.__version__}, "
          f"{torch.get_num_threads()} threads")  # fmt: skip
    print("| network | time (s) | training error | time / ours |")
    print("|---|---|---|---|")
    print(f"| xrdae, 8 members | {seconds:.2f} | {error:.3f} | 1 |")
    reached = "" if dense_error <= error else " (not reached)"
    print(f"| dense P-512-128-2, one | {dense:.2f} | {dense_error:.3f}{reached} | "
          f"{dense / seconds:.1f} |")  # fmt: skip


if __name__ == "__main__":
    main()
