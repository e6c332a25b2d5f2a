"""Datasets with results, and axes, for the tests of plots."""

import warnings

import numpy as np
import pytest
import xarray as xr

from figure_helpers import TIMES, new_figure
from xrdae.simulate import alloy_series


@pytest.fixture
def ax():
    return new_figure(layout="constrained").add_subplot()


@pytest.fixture(scope="module")
def results(series, model):
    """The series with all results, and labels of several kinds."""
    labelled = series.assign_coords(
        z=("pattern", np.arange(24) % 5, {"units": "mm"}),
        time=("pattern", TIMES),
        batch=("pattern", [["north", "south", "west"][i % 3] for i in range(24)]),
        number=("pattern", [f"s{i}" for i in range(24)]),
    )
    out = labelled.xrdae.encode(model).xrdae.relevance(model)
    return out.xrdae.estimate(model, "x")


@pytest.fixture(scope="module")
def grid(series, model):
    """A map of 4 x 5 patterns with results; the one at (1, 2) is empty."""
    empty = xr.DataArray(np.arange(24) == 7, dims="pattern")
    patterns = series.assign(intensity=series["intensity"].where(~empty))
    out = patterns.isel(pattern=slice(20)).coarsen(pattern=5).construct(pattern=("y", "u"))
    out = out.set_coords("x").assign_coords(
        y=("y", [0.0, 0.5, 1.0, 1.5], {"units": "mm", "long_name": "height"}),
        u=("u", np.arange(5) * 0.5, {"units": "mm", "long_name": "width"}),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return out.xrdae.encode(model).xrdae.relevance(model).xrdae.estimate(model, "x").compute()


@pytest.fixture(scope="module")
def alloy():
    """A small alloy series with all results, and its model."""
    series = alloy_series(
        np.linspace(0, 2, 6),
        zr=np.linspace(0, 0.5, 5),
        iron=0.15,
        two_theta=np.linspace(20, 80, 1000),
    )
    model = series.xrdae.fit(steps=300, members=4, progress=False)
    out = series.xrdae.encode(model).xrdae.relevance(model).xrdae.estimate(model, "ti")
    return out, model


@pytest.fixture(scope="module")
def spectra():
    """Photoelectron spectra that run from high to low energies, with categories, and all results.

    The labels along the sample dimension go up and down again; one spectrum is empty.
    """
    energy, part = np.linspace(296.0, 280.0, 161), np.linspace(0, 1, 21)
    centre = np.array([284.8, 289.0, 293.0]) + np.array([0.2, 0.5, 0.9]) * part[:, None]
    height = np.array([1.0, 0.5, 0.3]) * (1 + np.array([0.0, 0.8, -0.5]) * part[:, None])
    shape = np.exp(-(((energy - centre[..., None]) / 0.5) ** 2))
    counts = np.random.default_rng(0).poisson(1e3 * (height[..., None] * shape).sum(1) + 20.0)
    intensity = counts.astype(float)
    intensity[7] = np.nan
    dataset = xr.Dataset(
        {"intensity": (("T", "binding_energy"), intensity, {"units": "counts"})},
        {
            "binding_energy": ("binding_energy", energy, {"units": "eV", "long_name": "energy"}),
            "T": ("T", 300.0 + 10 * np.minimum(np.arange(21), np.arange(21)[::-1]), {"units": "K"}),
            "part": ("T", part),
            "oxidized": ("T", part > 0.5),
            "state": ("T", np.arange(21) % 3 * 4 - 1, {
                "flag_values": [-1, 3, 7], "flag_meanings": "washed as_grown annealed",
            }),
        },
    )  # fmt: skip
    whole = dataset.isel(T=np.arange(21) != 7)
    model = whole.xrdae.fit(steps=100, members=3, progress=False)
    with pytest.warns(UserWarning, match="no positive finite intensity"):
        out = dataset.xrdae.encode(model).xrdae.relevance(model)
    return out.compute(), model
