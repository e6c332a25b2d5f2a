import numpy as np
import pytest
from xarray.indexes import PandasMultiIndex

import xrdae


def in_q(series, units="1/angstrom", factor=1.0):
    q = 4 * np.pi * np.sin(np.radians(series["two_theta"].values) / 2) / 1.5406
    return series.rename(two_theta="q").assign_coords(q=("q", q * factor, {"units": units}))


@pytest.mark.parametrize(
    "change",
    [
        in_q,
        lambda ds: in_q(ds, "nm^-1", 10.0),
        lambda ds: in_q(ds).isel(q=slice(None, None, -1)),
        lambda ds: ds.isel(two_theta=slice(None, None, -1)),
        lambda ds: ds.assign_coords(
            two_theta=("two_theta", np.radians(ds["two_theta"].values), {"units": "rad"})
        ),
    ],
    ids=["q", "1/nm", "descending q", "descending", "radians"],
)
def test_the_same_patterns_on_another_axis_have_the_same_latents(series, model, change):
    found = change(series).xrdae.encode(model)["latent"]
    np.testing.assert_allclose(found, series.xrdae.encode(model)["latent"], atol=0.02)


def test_a_finer_grid_gives_nearly_the_same_latents(series, model):
    fine = series.interp(two_theta=np.linspace(20, 80, 700), kwargs={"fill_value": "extrapolate"})
    fine["two_theta"].attrs = series["two_theta"].attrs
    found = fine.xrdae.encode(model)["latent"]
    assert float(abs(found - series.xrdae.encode(model)["latent"]).max()) < 0.3


@pytest.mark.parametrize("grid", ["q", "d", "log_q", "two_theta"])
def test_a_model_on_any_grid_reconstructs_on_the_axis_of_the_data(series, grid):
    model = series.xrdae.fit(grid=grid, points=400, steps=200, members=2, progress=False)
    out = series.isel(two_theta=slice(None, None, -1)).xrdae.reconstruct(model)
    np.testing.assert_array_equal(out["two_theta"], series["two_theta"][::-1])
    known = out["reconstruction"].notnull()
    assert float(known.mean()) > 0.98  # the outermost channels may lie outside the model's axis
    error = ((out["reconstruction"] - out["intensity"]).where(known) ** 2).mean() ** 0.5
    assert float(error) < 0.1 * float(out["intensity"].std())


def test_maps_keep_their_dimensions_and_never_get_a_multiindex(series, model):
    grid = series.coarsen(pattern=6).construct(pattern=("y", "z")).set_coords("x")
    out = grid.xrdae.encode(model).xrdae.relevance(model).xrdae.reconstruct(model)
    out = out.xrdae.synthesize(model, between=({"y": 0, "z": 1}, {"y": 2, "z": 0}), n=3)
    assert out["latent"].dims == ("y", "z", "latent_axis")
    assert out["relevance"].dims == ("y", "z", "region")
    assert out["reconstruction"].dims == ("y", "z", "two_theta")
    flat = series.xrdae.encode(model)["latent"].values.reshape(4, 6, 2)
    np.testing.assert_allclose(out["latent"], flat, atol=1e-5)
    assert not any(isinstance(index, PandasMultiIndex) for index in out.xindexes.values())
    np.testing.assert_allclose(out["synthesized_x"][1], (series["x"][1] + series["x"][12]) / 2)
    fitted = grid.xrdae.fit(steps=20, members=2, progress=False)
    assert fitted.labels.sizes["pattern"] == 24


def test_one_pattern_alone_can_be_encoded(series, model):
    one = series.isel(pattern=4).xrdae.encode(model)
    assert one["latent"].dims == ("latent_axis",)
    np.testing.assert_allclose(one["latent"], series.xrdae.encode(model)["latent"][4], atol=1e-5)


@pytest.mark.parametrize("n_latent", [1, 3])
def test_latents_have_as_many_axes_as_asked_for(series, n_latent):
    model = series.xrdae.fit(n_latent=n_latent, steps=50, members=2, progress=False)
    out = series.xrdae.encode(model)
    assert out["latent"].shape == (24, n_latent)
    np.testing.assert_array_equal(out["latent_axis"], np.arange(n_latent))


def test_a_foreign_pattern_is_novel_and_a_known_one_is_not(series, model):
    foreign = series.isel(pattern=[3]).copy(deep=True)
    foreign["intensity"] += 1500 * np.exp(-(((series["two_theta"] - 52) / 0.8) ** 2))
    assert float(foreign.xrdae.encode(model)["novelty"][0]) > 2
    assert float((series.xrdae.encode(model)["novelty"] > 1).mean()) < 0.2


def test_the_background_can_be_left_out(series):
    model = series.xrdae.fit(
        background="snip",
        background_options={"max_half_window": 15},
        steps=100,
        members=2,
        progress=False,
    )
    lifted = series.assign(intensity=series["intensity"] + 500)
    moved = lifted.xrdae.encode(model)["latent"] - series.xrdae.encode(model)["latent"]
    plain = series.xrdae.fit(steps=100, members=2, progress=False)
    moved_plain = lifted.xrdae.encode(plain)["latent"] - series.xrdae.encode(plain)["latent"]
    assert float(abs(moved).mean()) < 0.2 * float(abs(moved_plain).mean())


def test_decode_gives_patterns_on_the_model_s_axis(series, model):
    latent = series.xrdae.encode(model)["latent"]
    decoded = model.decode(latent)
    assert decoded.dims == ("pattern", "two_theta")
    np.testing.assert_allclose(decoded["two_theta"], series["two_theta"])
    error = float(abs(decoded - series["intensity"]).mean())
    assert error < 0.2 * float(series["intensity"].std())
    assert model.decode(np.zeros((3, 2))).dims == ("synthetic", "two_theta")
    with pytest.raises(xrdae.DataError, match=r"\(3,\).*\(synthetic, 2\)"):
        model.decode(np.zeros(3))


def test_a_model_describes_itself(model):
    said = repr(model)
    assert "two_theta 20 to 80 degree (200 points)" in said
    assert "4 members, 2 latents, fitted to 24 patterns, labels ['x']" in said


def test_two_models_of_one_config_object_do_not_share_anything_that_changes(series):
    config = xrdae.Config(steps=20, members=2)
    one, other = (xrdae.Model.fit(series, config, progress=False) for _ in range(2))
    one.labels["latent"][:] = 0
    assert float(abs(other.labels["latent"]).max()) > 0
