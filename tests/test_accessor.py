import inspect
import pickle

import numpy as np
import pytest
import xarray as xr

from xrdae.accessor import XrdaeAccessor
from xrdae.describe import describe_dataset

CALLS = {
    "encode": ({}, {"latent", "latent_std", "reconstruction_error", "novelty"}),
    "reconstruct": ({}, {"reconstruction"}),
    "relevance": (
        {"label": "x"},
        {
            *("relevance", "latent_shift", "relevance_profile", "region_change", "region_std"),
            *("relevance_excess", "relevance_significance", "relevance_verdict"),
            *("x_change", "x_pvalue", "x_verdict", "x_slope", "x_r2", "x_shift"),
        },
    ),
    "synthesize": (
        {"between": (1, 5)},
        {
            "synthesized",
            "synthesized_std",
            "synthesized_latent",
            "synthesized_novelty",
            "synthesized_x",
        },
    ),
    "estimate": ({"label": "x"}, {"x_estimate", "x_std", "x_low", "x_high"}),
}
DIMS = {
    "latent": ("pattern", "latent_axis"),
    "latent_std": ("pattern", "latent_axis"),
    "reconstruction_error": ("pattern",),
    "novelty": ("pattern",),
    "reconstruction": ("pattern", "two_theta"),
    "relevance": ("pattern", "region"),
    "latent_shift": ("pattern", "region", "latent_axis"),
    "relevance_profile": ("pattern", "two_theta"),
    **dict.fromkeys(["region_change", "region_std", "relevance_verdict"], ("region",)),
    **dict.fromkeys(["relevance_excess", "relevance_significance"], ("region",)),
    **dict.fromkeys(["x_change", "x_pvalue", "x_verdict", "x_slope", "x_r2"], ("region",)),
    "synthesized": ("synthetic", "two_theta"),
    "synthesized_std": ("synthetic", "two_theta"),
    "synthesized_latent": ("synthetic", "latent_axis"),
    "x_estimate": ("pattern",),
}


@pytest.mark.parametrize("method", CALLS)
def test_a_method_adds_its_variables_to_a_new_dataset(series, model, method):
    before = series.copy(deep=True)
    options, names = CALLS[method]
    out = getattr(series.xrdae, method)(model, **options)
    xr.testing.assert_identical(series, before)
    assert set(out.data_vars) - set(series.data_vars) == names
    for name in names & DIMS.keys():
        assert out[name].dims == DIMS[name]
        assert "flag_values" in out[name].attrs or out[name].attrs["units"]
        assert out[name].attrs["long_name"]


@pytest.mark.parametrize("method", CALLS)
def test_a_data_array_is_as_good_as_a_dataset(series, model, method):
    options, names = CALLS[method]
    array = series["intensity"].rename("counts")
    out = getattr(array.xrdae, method)(model, **options)
    expected = getattr(series.xrdae, method)(model, **options)
    assert "counts" in out
    for name in names:
        np.testing.assert_array_equal(out[name], expected[name])


def test_relevance_brings_its_regions_in_the_units_of_the_axis(series, model):
    out = series.xrdae.relevance(model)
    for name in ("region_start", "region_stop", "region_center"):
        assert out[name].dims == ("region",)
        assert out[name].attrs["units"] == "degree"
    assert (out["region_start"] < out["region_center"]).all()
    assert (out["region_center"] < out["region_stop"]).all()


def test_results_are_written_and_read_like_any_dataset(series, model, tmp_path):
    out = series.xrdae.encode(model).xrdae.relevance(model).xrdae.synthesize(model, between=(1, 5))
    out.to_netcdf(tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc") as again:
        xr.testing.assert_identical(again.load(), out)


def test_another_number_of_latents_replaces_the_first_result(series, model):
    three = series.xrdae.fit(n_latent=3, steps=20, members=2, progress=False)
    out = series.xrdae.encode(model).xrdae.relevance(model).xrdae.encode(three)
    assert out["latent"].shape == (24, 3)


def test_a_dataset_that_used_the_accessor_can_be_pickled(series, model):
    data = series.copy()
    data.xrdae.encode(model)
    xr.testing.assert_identical(pickle.loads(pickle.dumps(data)), data)
    again = pickle.loads(pickle.dumps(model))
    xr.testing.assert_identical(data.xrdae.encode(again), data.xrdae.encode(model))


def test_the_accessor_documents_every_method():
    public = [m for n, m in inspect.getmembers(XrdaeAccessor) if not n.startswith("_")]
    assert all(inspect.getdoc(m) for m in public)


@pytest.mark.parametrize("keeps_attributes", [True, False])
def test_relevance_replaces_results_of_regions_and_those_of_earlier_versions(
    series, model, tmp_path, keeps_attributes
):
    encoded = series.xrdae.encode(model)
    first = encoded.xrdae.relevance(model, regions=5.0, label="x")
    for name in ("relevance_excess", "relevance_significance"):  # of each pattern, until format 6
        first[name] = first["relevance"] * 2
    if not keeps_attributes:  # a host may lose them
        first = first.drop_attrs()
        for name in ("two_theta", "wavelength", "intensity"):
            first[name].attrs = series[name].attrs
    first.to_netcdf(tmp_path / "results.nc")
    with xr.open_dataset(tmp_path / "results.nc") as earlier:
        assert "none yet" not in describe_dataset(earlier)["Data"]["relevance"]
        found = earlier.load().xrdae.relevance(model)
    expected = encoded.xrdae.relevance(model)
    assert set(found.variables) == set(expected.variables)
    for name in ("relevance_excess", "relevance_verdict", "region_start"):
        assert found[name].dims == ("region",)
        np.testing.assert_array_equal(found[name], expected[name])
