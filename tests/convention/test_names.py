"""Names of results are in one place; what clashes with them is refused; classes are no numbers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae.convention.categories import find_category_names, is_category
from xrdae.convention.names import RESULT_DIMS, RESULTS
from xrdae.convention.patterns import find_patterns

FAST = {"steps": 10, "members": 2, "hidden": (8,), "progress": False}


@pytest.mark.parametrize("name", [*RESULTS, *RESULT_DIMS, "region_start"])
def test_a_label_with_the_name_of_a_result_is_refused(series, model, name):
    labelled = series.assign_coords({name: ("pattern", np.arange(24.0))})
    for call in (
        lambda: labelled.xrdae.fit(**FAST),
        lambda: labelled.xrdae.encode(model),
        lambda: labelled.xrdae.relevance(model),
        lambda: labelled.xrdae.synthesize(model, between=(0, 3)),
    ):
        with pytest.raises(xrdae.DataError, match=rf"'{name}' is a coordinate.*rename"):
            call()


@pytest.mark.parametrize("name", ["channel", "inputs", "scale", "member", "part", "estimate"])
def test_other_names_are_free(series, model, name):
    labelled = series.assign_coords({name: ("pattern", np.arange(24.0))})
    for dataset in (labelled, labelled.isel(pattern=3)):
        out = xrdae.analyze(dataset, model).xrdae.reconstruct(model)
        xr.testing.assert_identical(out[name], dataset[name])
        model.model_input(dataset)
    assert "x_shift" in labelled.xrdae.relevance(model, label="x")
    if name != "channel":
        series.rename(pattern=name).xrdae.estimate(model, "x")


@pytest.mark.parametrize("name", ["latent_axis", "region", "channel", "novelty", "latent"])
def test_a_sample_dimension_with_the_name_of_a_result_is_refused(series, model, name):
    with pytest.raises(xrdae.DataError, match=rf"'{name}' is a dimension.*ds.rename"):
        series.rename(pattern=name).xrdae.encode(model)


def test_variables_of_the_user_are_neither_replaced_nor_dropped(series, model):
    own = series.assign(novelty=("pattern", np.arange(24.0)))
    with pytest.raises(xrdae.DataError, match=r"'novelty' is a variable of the dataset.*rename"):
        own.xrdae.encode(model)
    for name in ("region", "latent_axis"):
        own = series.assign({name: ("pattern", np.arange(24.0))})
        with pytest.raises(xrdae.DataError, match=rf"'{name}' is a variable.*rename"):
            own.xrdae.relevance(model)
    moved = series.assign_coords(x_shift=("pattern", np.arange(24.0)))
    with pytest.raises(xrdae.DataError, match=r"'x_shift' is a coordinate.*rename"):
        moved.xrdae.relevance(model, label="x")
    rois = series.assign(roi=("region", [1.0, 2.0, 3.0]))
    with pytest.raises(xrdae.DataError, match=r"'region' is a dimension of the dataset's 'roi'"):
        rois.xrdae.relevance(model)
    spread = series.assign_coords(x_std=("pattern", np.full(24, 0.1)))
    with pytest.raises(xrdae.DataError, match=r"'x_std' is a coordinate.*rename"):
        spread.xrdae.estimate(model, "x")


def test_results_replace_earlier_ones_even_where_attributes_were_lost(series, model):
    once = xrdae.analyze(series, model).xrdae.estimate(model, "x")
    once = once.xrdae.synthesize(model, between=(0, 3)).xrdae.reconstruct(model)
    bare = once.copy()
    bare.attrs = {}
    for dataset in (once, bare):
        again = xrdae.analyze(dataset, model).xrdae.estimate(model, "x")
        again = again.xrdae.synthesize(model, between=(0, 9)).xrdae.reconstruct(model)
        assert set(again.variables) == set(once.variables)


def test_partly_selected_results_are_replaced_completely(series, model):
    out = xrdae.analyze(series, model).xrdae.synthesize(model, between=(0, 3))
    expected = set(out.variables)
    some = out.isel(latent_axis=0, region=1, synthetic=0)
    again = xrdae.analyze(some, model).xrdae.synthesize(model, between=(0, 3))
    assert set(again.variables) == expected
    for name in ("latent", "relevance", "region_start", "synthesized"):
        xr.testing.assert_identical(again[name].variable, out[name].variable)


def test_every_result_is_described_as_the_table_says(series, model):
    out = xrdae.analyze(series, model).xrdae.reconstruct(model)
    out = out.xrdae.synthesize(model, between=(0, 3))
    out = out.xrdae.cluster(model)
    for name, result in RESULTS.items():
        array = out[name]
        dims = [d if d != "<axis>" else "two_theta" for d in result.dims]
        assert list(array.dims) == (["pattern"] if result.per_pattern else []) + dims
        assert array.attrs["long_name"] == result.long_name
        expected = series["intensity"].attrs.get("units", "1")
        assert array.attrs["units"] == ("1" if result.units == "1" else expected)


FLAGS = {"flag_values": np.array([0, 1, 2]), "flag_meanings": "bcc fcc hcp"}
CATEGORIES = {
    "text": ("pattern", np.array(["a", "b", "c"] * 8)),
    "bool": ("pattern", np.array([True, False] * 12)),
    "flags": ("pattern", np.arange(24) % 3, FLAGS),
    "objects": ("pattern", np.array(["a", None, "c"] * 8, dtype=object)),
}


@pytest.mark.parametrize("name", list(CATEGORIES))
def test_classes_are_not_labels(series, model, name):
    labelled = series.assign_coords({name: CATEGORIES[name]})
    assert is_category(labelled[name])
    assert name not in find_patterns(labelled).labels()
    assert name not in labelled.xrdae.fit(**FAST).label_names()
    for call in (
        lambda: labelled.xrdae.estimate(model, name),
        lambda: labelled.xrdae.synthesize(model, at={name: [0.5]}),
    ):
        with pytest.raises(xrdae.DataError, match=rf"'{name}' is a category"):
            call()
    out = labelled.xrdae.synthesize(model, between=(0, 4))
    assert f"synthesized_{name}" not in out
    assert "synthesized_x" in out


def test_integers_are_numbers_unless_they_are_flags(series):
    whole = series.assign_coords(count=("pattern", np.arange(24)))
    assert not is_category(whole["count"])
    assert "count" in find_patterns(whole).labels()
    names = find_category_names(series.assign_coords(phase=CATEGORIES["flags"])["phase"])
    assert names[:4].tolist() == ["bcc", "fcc", "hcp", "bcc"]
    bare = xr.DataArray([0.0, np.nan, 7.0], dims="p", attrs={"flag_meanings": "a b"})
    assert find_category_names(bare).tolist() == ["a", "", "7"]


# ---------------------------------------------------------------- wrong arguments


def test_an_object_that_is_not_a_model_is_refused_with_advice(series, model, tmp_path):
    for wrong, words in (
        ("model.nc", r"is a path; load the model first: xrdae.load_model\('model.nc'\)"),
        (tmp_path / "model.nc", "load_model"),
        (np.zeros(3), "is no model but a ndarray; fit one"),
        (series, "is no model but a Dataset"),
        (None, "is no model but a NoneType"),
    ):
        for call in (
            lambda m: series.xrdae.encode(m),
            lambda m: series.xrdae.reconstruct(m),
            lambda m: series.xrdae.relevance(m),
            lambda m: series.xrdae.synthesize(m, between=(0, 1)),
            lambda m: series.xrdae.estimate(m, "x"),
            lambda m: series.xrdae.report(m),
            lambda m: xrdae.analyze(series, m),
        ):
            with pytest.raises(TypeError, match=words):
                call(wrong)
    with pytest.raises(TypeError, match="is a path"):
        series.xrdae.fit(update="model.nc")


def test_an_object_that_is_not_a_dataset_is_refused_with_advice(series, model):
    for wrong in (series["intensity"].values, series["intensity"], [1, 2], "data.nc"):
        for verb in (model.encode, model.reconstruct, model.relevance, xrdae.Model.fit):
            with pytest.raises(TypeError, match=r"a Dataset is needed, not a .*xr.Dataset"):
                verb(wrong)


@pytest.mark.parametrize("n_latent", [24, 50, 10**6])
def test_more_latents_than_the_data_hold_are_refused_with_how_many_they_hold(series, n_latent):
    with pytest.raises(xrdae.DataError, match=rf"n_latent={n_latent} .*24 training.*at most \d+"):
        series.xrdae.fit(**FAST, n_latent=n_latent)
    with pytest.raises(ValueError, match=r"n_latent=0 must be a whole number of at least 1$"):
        series.xrdae.fit(n_latent=0)


@pytest.mark.parametrize("name", ["model.pkl", "model.csv", "model", "model.nc.txt"])
def test_a_model_is_not_written_under_a_wrong_name(model, tmp_path, name):
    with pytest.raises(ValueError, match=r"would hold a model as netCDF; let its name end in \.nc"):
        model.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_warnings_point_at_the_line_that_called(series, model):
    broken = series.copy(deep=True)
    broken["intensity"][3] = np.nan
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        broken.xrdae.encode(model)
        xrdae.analyze(broken, model)
        model.encode(broken)
    assert len(caught) >= 3
    assert {w.filename for w in caught} == {__file__}


def test_quantities_of_pint_carry_their_units(series, model):
    import pint_xarray  # noqa: F401  (registers ds.pint)

    given = series.assign_coords(T=("pattern", np.linspace(300, 400, 24), {"units": "K"}))
    given["intensity"].attrs["units"] = "counts"
    quantified = given.pint.quantify()
    assert "units" not in quantified["two_theta"].attrs
    found, expected = find_patterns(quantified), find_patterns(given)
    assert found.axis.is_same_as(expected.axis)
    assert found.intensity.attrs["units"] == "count"
    out = quantified.xrdae.encode(model)
    np.testing.assert_array_equal(out["latent"], given.xrdae.encode(model)["latent"])
    assert hasattr(out["intensity"].data, "magnitude")
    assert quantified.xrdae.fit(**FAST).label_names() == ["T", "x"]
    latent = given.xrdae.encode(model)["latent"]
    for chunked in (quantified.chunk(pattern=5), given.chunk(pattern=5).pint.quantify()):
        lazy = chunked.xrdae.encode(model)["latent"]
        assert lazy.chunks is not None
        np.testing.assert_allclose(lazy.variable.compute(), latent, atol=1e-6)
    alone = quantified["intensity"].xrdae.encode(model)
    np.testing.assert_array_equal(alone["latent"], latent)


def test_numpy_does_not_leak_warnings(series, model):
    broken = series.copy(deep=True)
    broken["intensity"][3], broken["intensity"][:, 7] = np.nan, np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("ignore", category=UserWarning)
        out = xrdae.analyze(broken, model).xrdae.reconstruct(model)
        out = out.xrdae.estimate(model, "x").xrdae.synthesize(model, between=(0, 5))
        masked = broken.assign(mask=("pattern", np.arange(24) == 3))
        fitted = masked.xrdae.fit(**FAST)
        masked.xrdae.encode(fitted).xrdae.synthesize(fitted, at={"x": [0.4]})
    assert np.isnan(out["latent"][3]).all()


# ---------------------------------------------------------------- what looks like ours, and is not


def test_a_dimension_of_the_user_with_the_name_of_one_of_results_is_refused(series, model):
    named = series.assign_coords(region=("region", ["a", "b"]))
    with pytest.raises(xrdae.DataError, match=r"'region' is a dimension of the dataset's"):
        named.xrdae.relevance(model)
    placed = series.assign_coords(synthetic=("synthetic", [10.0, 20.0]))
    with pytest.raises(xrdae.DataError, match=r"'synthetic' is a dimension of the dataset's"):
        placed.xrdae.synthesize(model, between=(0, 3))


def test_results_whose_attributes_were_lost_are_replaced(series, model):
    out = xrdae.analyze(series, model).xrdae.reconstruct(model)
    bare = out.drop_attrs()
    bare["two_theta"].attrs = series["two_theta"].attrs
    again = xrdae.analyze(bare, model).xrdae.reconstruct(model)
    assert set(again.variables) == set(out.variables)


def test_quantities_as_arguments_are_refused_with_the_units_to_give(series, model):
    import pint

    units = pint.UnitRegistry()
    with pytest.raises(xrdae.DataError, match="is a quantity; give numbers in 'degree'"):
        series.xrdae.relevance(model, regions=units.Quantity(0.2, "rad"))
    with pytest.raises(xrdae.DataError, match="is a quantity; give numbers in the units"):
        series.xrdae.synthesize(model, at={"x": units.Quantity([0.5], "1")})


def test_a_result_in_another_order_is_detected_by_its_labels(series, model):
    turned = model.encode(series.isel(pattern=slice(None, None, -1)))
    with pytest.raises(xrdae.DataError, match=r"other values of 'x' .* in another order"):
        xrdae.plugins.manager().hook.xrdae_attach(obj=series, result=turned)


def test_a_scale_belongs_to_a_result_only_by_its_description(series, model):
    inputs = model.model_input(series)
    expected = model.reconstruct(series)["reconstruction"]
    found = model.reconstruct(series, inputs=inputs)["reconstruction"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    labelled = series.assign_coords(scale=("pattern", np.linspace(5, 9, 24)))
    np.testing.assert_array_equal(model.reconstruct(labelled)["reconstruction"], expected)
    for given in (
        inputs.drop_vars("scale"),
        inputs.drop_vars("scale").assign_coords(scale=("pattern", np.linspace(5, 9, 24))),
    ):
        with pytest.warns(UserWarning, match="has no coordinate 'scale' of Model.model_input"):
            out = model.reconstruct(labelled, inputs=given)["reconstruction"]
        assert out.attrs["units"] == "1"
        assert float(out.max()) < 1.5
