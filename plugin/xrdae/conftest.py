"""Names that the examples in docstrings use: `ds`, `model`, `np`, `xr` and `xrdae`.

`ds` holds 12 patterns of 200 points over two_theta, with two peaks that move along the label `x`.
`phases` holds 24 patterns of two phases, with the label `phase`.
`iron.cif` is in the folder where the examples run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr

import xrdae

IRON = """data_iron
_cell_length_a 2.8665
_cell_length_b 2.8665
_cell_length_c 2.8665
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'I m -3 m'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Fe1 Fe 0 0 0
"""


@pytest.fixture(scope="session")
def example_dataset() -> xr.Dataset:
    """Return patterns with a numeric label."""
    x = np.linspace(0, 1, 12)
    two_theta = np.linspace(20, 60, 200)
    intensity = np.full((12, 200), 5.0)
    for position, height, shift in ((30, 100, 0.5), (45, 60, 1.0)):
        center = position + shift * x[:, None]
        intensity += height * np.exp(-0.5 * ((two_theta - center) / 0.4) ** 2)
    intensity += np.random.default_rng(0).normal(0, 0.5, intensity.shape)
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), intensity, {"units": "counts"})},
        {
            "two_theta": ("two_theta", two_theta, {"units": "degree"}),
            "x": ("pattern", x, {"long_name": "Ti content"}),
        },
    )


@pytest.fixture(scope="session")
def example_phases(example_dataset: xr.Dataset) -> xr.Dataset:
    """Return patterns of two phases."""
    two_theta = example_dataset["two_theta"].values
    centers = np.repeat([[30.0, 45.0], [34.0, 52.0]], 12, axis=0)
    peaks = np.exp(-0.5 * ((two_theta - centers[..., None]) / 0.4) ** 2).sum(axis=1)
    intensity = 5 + 100 * peaks + np.random.default_rng(0).normal(0, 0.5, peaks.shape)
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), intensity, {"units": "counts"})},
        {
            "two_theta": ("two_theta", two_theta, {"units": "degree"}),
            "phase": ("pattern", np.repeat(["alpha", "beta"], 12)),
        },
    )


@pytest.fixture(scope="session")
def example_model(example_dataset: xr.Dataset) -> Any:
    """Return a model of these patterns, fitted in few steps."""
    return example_dataset.xrdae.fit(steps=100, members=3, progress=False)


@pytest.fixture(autouse=True)
def provide_examples(request: pytest.FixtureRequest) -> None:
    """Provide the names, and run in a folder with the CIF, without a display.

    Other tests are left alone, to which pytest may apply this, too, if the package is installed.
    """
    if not isinstance(request.node, pytest.DoctestItem):
        return
    folder = request.getfixturevalue("tmp_path")
    (folder / "iron.cif").write_text(IRON)
    patch = request.getfixturevalue("monkeypatch")
    patch.chdir(folder)
    patch.setenv("MPLBACKEND", "agg")
    namespace = request.getfixturevalue("doctest_namespace")
    namespace |= {
        "ds": request.getfixturevalue("example_dataset").copy(),
        "phases": request.getfixturevalue("example_phases").copy(),
        "model": request.getfixturevalue("example_model"),
        "np": np,
        "xr": xr,
        "xrdae": xrdae,
    }
