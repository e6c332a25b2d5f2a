"""Results of many patterns are those of each pattern alone, whatever their labels."""

from __future__ import annotations

import os
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings

import xrdae
from xrdae.convention.patterns import find_patterns
from xrdae.testing import datasets

FAST = {"steps": 3, "members": 2, "hidden": (4,), "rank": 6, "progress": False}
law = settings(
    max_examples=int(os.environ.get("XRDAE_EXAMPLES", "25")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
# How new a pattern is may be rounding over rounding where the basis holds these few patterns whole.
NOT_COMPARED = {"novelty"}


def fitted(dataset):
    """A model of the dataset, or None where it is refused."""
    try:
        return dataset.xrdae.fit(**FAST)
    except xrdae.DataError:
        return None


def places(dataset):
    """Where each pattern is along the sample dimensions."""
    dims = find_patterns(dataset).sample_dims
    shape = [dataset.sizes[d] for d in dims]
    return [dict(zip(dims, map(int, i), strict=True)) for i in np.ndindex(*shape)]


def compare(dataset, make):
    """Compare what is made of the whole dataset with what is made of each pattern."""
    whole = make(dataset).compute()
    added = set(whole.data_vars) - set(dataset.data_vars) - NOT_COMPARED
    assert added
    for place in places(dataset):
        alone = make(dataset.isel(place)).compute()
        for name in added:
            found = whole[name].isel(place, missing_dims="ignore")  # regions of the model
            assert set(found.dims) == set(alone[name].dims)
            values = found.transpose(*alone[name].dims).values
            scale = 1.0  # of latents and what is made of them
            if name == "reconstruction" or name.startswith("temperature"):
                scale = np.nanmax(np.abs(values), initial=1e-30, where=np.isfinite(values))
            np.testing.assert_allclose(
                values, alone[name].values, rtol=1e-3, atol=2e-4 * scale, err_msg=f"{name} {place}"
            )


def window(dataset):
    """One region: the middle half of the axis."""
    axis = find_patterns(dataset)
    values = axis.axis.values / axis.factor
    low, high = np.quantile(values, [0.25, 0.75])
    return [[float(low), float(high) + 1e-9 * abs(float(high))]]


@pytest.mark.filterwarnings("ignore")
@law
@given(datasets(max_patterns=6, max_points=30))
def test_encode_reconstruct_relevance_and_analyze(dataset):
    model = fitted(dataset)
    if model is None:
        return
    compare(dataset, lambda d: d.xrdae.encode(model))
    compare(dataset, lambda d: d.xrdae.reconstruct(model))
    compare(dataset, lambda d: xrdae.analyze(d, model))
    if find_patterns(dataset).axis.values.size > 4:
        regions = window(dataset)
        for fill in ("conditional", "background"):
            compare(dataset, lambda d, f=fill: d.xrdae.relevance(model, regions=regions, fill=f))


@pytest.mark.filterwarnings("ignore")
@law
@given(datasets(max_patterns=16, max_points=30))
def test_estimates_from_one_reference(dataset):
    model = fitted(dataset)
    if model is None or "temperature" not in dataset.coords:
        return
    try:
        dataset.xrdae.estimate(model, "temperature")
    except xrdae.DataError as error:
        assert re.search("10 are needed|have the same", str(error))  # noqa: PT017
        return
    compare(dataset, lambda d: d.xrdae.estimate(model, "temperature", reference=dataset))


CYCLE = [300.0, 350, 400, 350, 300]
INDEXES = {
    "cycle": CYCLE,
    "constant": [300.0] * 5,
    "all NaN": [np.nan] * 5,
    "text": list("abcba"),
    "equal times": np.array(["2024-05-01"] * 5, "datetime64[ns]"),
    "duplicates": [1, 1, 2, 2, 3],
    "booleans": [True, False, False, False, True],
}


@pytest.mark.parametrize("descending", [False, True], ids=["ascending", "descending"])
@pytest.mark.parametrize("index", list(INDEXES))
def test_labels_that_repeat_or_read_the_same_backwards_move_no_result(
    series, model, index, descending
):
    five = series.isel(pattern=[0, 5, 11, 17, 23]).drop_vars("x")
    if descending:
        five = five.isel(two_theta=slice(None, None, -1))
    labelled = five.assign_coords(pattern=("pattern", INDEXES[index]))
    for make in (
        lambda d: d.xrdae.encode(model),
        lambda d: d.xrdae.reconstruct(model),
        lambda d: d.xrdae.relevance(model),
        lambda d: xrdae.analyze(d, model),
    ):
        expected, found = make(five), make(labelled)
        for name in expected.data_vars:
            np.testing.assert_array_equal(found[name].values, expected[name].values, name)
    assert model.encode(five)["latent"].std("pattern").max() > 0.5


@pytest.mark.parametrize("index", [CYCLE, [300.0] * 5])
def test_a_multiindex_with_repeated_labels_moves_no_result(series, model, index):
    five = series.isel(pattern=[0, 5, 11, 17, 23]).drop_vars("x")
    coords = xr.Coordinates.from_pandas_multiindex(
        pd.MultiIndex.from_arrays([index, list("ababa")], names=["T", "run"]),
        "pattern",
    )
    found = five.assign_coords(coords).xrdae.encode(model)["latent"]
    np.testing.assert_array_equal(found.values, five.xrdae.encode(model)["latent"].values)


def test_a_result_with_other_labels_or_of_another_size_is_refused(series, model):
    result = model.encode(series)
    attach = xrdae.plugins.manager().hook.xrdae_attach
    with pytest.raises(xrdae.DataError, match="24 positions along 'pattern', the dataset 10"):
        attach(obj=series.isel(pattern=slice(10)), result=result)
    numbered = series.assign_coords(pattern=np.arange(24))
    turned = model.encode(numbered.isel(pattern=slice(None, None, -1)))
    with pytest.raises(xrdae.DataError, match=r"other (labels|values)"):
        attach(obj=numbered, result=turned)


def test_without_patterns_results_are_empty(series, model):
    nothing = series.isel(pattern=slice(0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "no peak is steady for certain")
        out = nothing.xrdae.encode(model).xrdae.reconstruct(model).xrdae.relevance(model)
        out = out.xrdae.estimate(model, "x", reference=series)
    assert out["latent"].shape == (0, 2)
    assert out["reconstruction"].shape == (0, 200)
    assert out["relevance"].shape == (0, out.sizes["region"])
    assert out["x_estimate"].shape == (0,)
    assert model.model_input(nothing).shape == (0, 200)
    assert nothing.chunk().xrdae.encode(model)["latent"].compute().shape == (0, 2)
    with pytest.raises(xrdae.DataError, match=r"0 patterns.*at least 3"):
        nothing.xrdae.fit()
