"""Writes a model file of the present format, and what it encodes: `python make.py NAME`.

Run with the package as it was at the commit that the README names, for each file here.
"""

import sys
from pathlib import Path

import numpy as np
import xarray as xr

import xrdae  # noqa: F401  (registers ds.xrdae)


def patterns() -> xr.Dataset:
    """Return ten patterns whose two peaks move apart; no random numbers."""
    x, two_theta = np.linspace(0, 1, 10), np.linspace(20, 40, 48)
    centres = np.array([26.0, 33.0]) + np.array([-1.0, 1.0]) * x[:, None]
    peaks = np.exp(-((two_theta - centres[..., None]) ** 2)) * [[[1.0], [0.5]]]
    ripple = 1 + 0.02 * np.sin(7.0 * np.arange(10)[:, None] * two_theta)
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), 1000 * peaks.sum(axis=1) * ripple + 20)},
        coords={
            "two_theta": ("two_theta", two_theta, {"units": "degree"}),
            "wavelength": ((), 1.5406, {"units": "angstrom"}),
            "x": ("pattern", x, {"units": "Å"}),
            "Ti/Fe": ("pattern", np.arange(10), {"long_name": ""}),
        },
    )


def spectra() -> xr.Dataset:
    """Return ten signed spectra over a descending energy; no random numbers."""
    given = patterns()
    energy = ("energy", np.linspace(300, 280, 48), {"units": "eV", "long_name": "binding energy"})
    signed = given["intensity"] - 0.5 * given["intensity"].mean("pattern")
    given = given.assign(intensity=signed).rename(two_theta="energy")
    return given.assign_coords(energy=energy).drop_vars("wavelength")


if __name__ == "__main__":
    is_other = sys.argv[1].endswith("other.nc")
    given = spectra() if is_other else patterns()
    settings = {"scale": "std"} if is_other else {"grid": "q"}
    model = given.xrdae.fit(
        n_latent=2, members=2, hidden=(6,), rank=4, steps=60, progress=False, **settings
    )
    path = Path(__file__).with_name(sys.argv[1])
    model.save(path)
    out = given.xrdae.encode(model)
    table = np.column_stack([out["latent"], out["reconstruction_error"], out["novelty"]])
    header = "latent 0, latent 1, reconstruction error, novelty"
    np.savetxt(path.with_suffix(".csv"), table, "%.7g", ",", header=header)
