"""Latents for the objects of a framework that xrdae does not know, through a custom adapter.

The adapter is a separate package of twenty lines, `examples/custom_adapter`. xrdae finds it by its
entry point. Run `pip install ./examples/custom_adapter`, then this script.
"""

import dataclasses

import numpy as np
import xarray as xr

import xrdae
from xrdae.plugins import to_dataset


@dataclasses.dataclass(frozen=True)
class Run:
    """A heating run in the in-house framework."""

    two_theta: np.ndarray
    counts: np.ndarray
    temperature: np.ndarray
    analysis: xr.Dataset | None = None


def heat():
    """Simulate peaks that move with the temperature, at different rates."""
    two_theta, temperature = np.linspace(20, 80, 600), np.linspace(300, 600, 40)
    moved = np.outer((temperature - 300) / 300, [0.3, 0.5, 0.8, 1.0])
    lines = np.array([24.0, 35.0, 50.0, 62.0]) - moved
    peaks = np.exp(-(((two_theta - lines[..., None]) / 0.3) ** 2)).sum(axis=1)
    return Run(two_theta, np.random.default_rng(0).poisson(1000 * peaks + 50), temperature)


def main():
    run = heat()
    model = to_dataset(run).xrdae.fit(members=4, steps=300, progress=False)
    analysis = xrdae.analyze(run, model).analysis
    latent = analysis["latent"]
    print("the run has", ", ".join(f"{name} {array.shape}" for name, array in analysis.items()))
    r = [np.corrcoef(column, run.temperature)[0, 1] for column in latent.values.T]
    print(f"temperature and latents correlate: {np.abs(r).max():.2f}")


if __name__ == "__main__":
    main()
