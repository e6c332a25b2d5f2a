"""A model with every setting away from its default, and its file."""

import numpy as np
import pytest

import xrdae
from xrdae.config import Config


@pytest.fixture(scope="module")
def full(series):
    """A model with every setting away from its default and labels of several types."""
    rich = series.assign_coords(
        frame=("pattern", np.arange(series.sizes["pattern"])),
        gaps=("pattern", [np.nan, *range(series.sizes["pattern"] - 1)], {"units": "K"}),
    )
    config = Config(
        grid="log_q",
        points=150,
        background="snip",
        background_options={"max_half_window": 20},
        scale="area",
        transform="sqrt",
        rank=9,
        n_latent=3,
        members=2,
        hidden=(12, 8),
        steps=12,
        seed=5,
    )
    return xrdae.Model.fit(rich, config)


@pytest.fixture
def saved(full, tmp_path):
    full.save(tmp_path / "model.nc")
    return tmp_path / "model.nc"
