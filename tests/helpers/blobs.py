"""Makes patterns of separate phases, on which clusters are tested."""

import numpy as np
import xarray as xr

TWO_THETA = np.linspace(20, 80, 300)


def make_blobs(
    phases: int = 3, *, n: int = 60, mixed: int = 0, counts: float = 2000, seed: int = 0
) -> xr.Dataset:
    """Patterns of phases in turn, with `phase`, then half-and-half mixtures of the first two."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(1).uniform(22, 78, (phases, 4))
    shapes = np.exp(-(((TWO_THETA - centers[..., None]) / 0.6) ** 2)).sum(axis=1) + 0.05
    phase = np.arange(n) % phases
    expected = np.concatenate([shapes[phase], np.repeat(shapes[:2].mean(axis=0)[None], mixed, 0)])
    names = [f"p{i}" for i in phase] + ["mixed"] * mixed
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), rng.poisson(counts * expected).astype(float),
                       {"units": "counts"})},
        coords={
            "two_theta": ("two_theta", TWO_THETA, {"units": "degree"}),
            "phase": ("pattern", names),
            "t": ("pattern", 300.0 - 10 * np.append(phase, np.zeros(mixed)), {"units": "K"}),
            "wavelength": ((), 1.5406, {"units": "angstrom"}),
        },
    )  # fmt: skip
