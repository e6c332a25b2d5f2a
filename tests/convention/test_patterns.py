import netCDF4
import numpy as np
import pytest
import xarray as xr

from xrdae import DataError
from xrdae.convention.patterns import find_patterns


def dataset(dims, sizes, units, *, name="intensity", **attrs):
    """Random intensities on numbered dimensions; `units` by dimension."""
    shape = [sizes[d] for d in dims]
    values = np.random.default_rng(0).random(shape)
    coords = {d: (d, np.linspace(1, 2, sizes[d]), {"units": u}) for d, u in units.items()}
    return xr.Dataset({name: (dims, values)}, coords=coords, attrs=attrs)


@pytest.mark.parametrize(
    ("name", "units"),
    [("q", "degree"), ("two_theta", "1/angstrom"), ("q", "1/cm"), ("d", "K")],
)
def test_a_name_and_units_that_contradict_each_other_are_refused(name, units):
    with pytest.raises(DataError, match=f"'{name}'.*{units}.*contradict.*rename"):
        find_patterns(dataset(("frame", name), {"frame": 3, name: 5}, {name: units}))


def test_units_that_name_the_axis_decide_and_not_its_name():
    found = find_patterns(dataset(("frame", "q"), {"frame": 3, "q": 5}, {"q": "2th_deg"}))
    assert (found.dim, found.axis.kind) == ("q", "two_theta")


@pytest.mark.parametrize("name", ["x", "angle", "axis0"])
def test_an_angle_of_a_general_name_is_two_theta_with_a_warning(name):
    with pytest.warns(UserWarning, match=f"axis '{name}' is taken for two_theta"):
        found = find_patterns(dataset(("frame", name), {"frame": 3, name: 5}, {name: "degree"}))
    assert found.axis.kind == "two_theta"


def test_an_angle_with_another_description_or_pyfais_name_is_certain():
    radial = dataset(("frame", "radial"), {"frame": 3, "radial": 5}, {"radial": "degree"})
    assert find_patterns(radial).axis.kind == "two_theta"
    data = dataset(("frame", "x"), {"frame": 3, "x": 5}, {"x": "degree"})
    data["x"].attrs["long_name"] = "2theta"
    assert find_patterns(data).axis.kind == "two_theta"


def test_positions_on_a_sample_are_not_a_diffraction_axis():
    units = {"y": "mm", "x": "um", "q": "1/nm"}
    found = find_patterns(dataset(("q", "y", "x"), {"q": 5, "y": 3, "x": 4}, units))
    assert found.dim == "q"
    assert found.sample_dims == ("y", "x")
    assert found.intensity.dims == ("y", "x", "q")
    np.testing.assert_allclose(found.axis.values, np.linspace(0.1, 0.2, 5))
    assert (found.units, found.factor) == ("1/nm", pytest.approx(0.1))


def test_an_angle_with_another_name_does_not_compete_with_two_theta():
    units = {"chi": "degree", "two_theta": "degree"}
    assert find_patterns(dataset(("chi", "two_theta"), {"chi": 3, "two_theta": 5}, units)).dim == (
        "two_theta"
    )


def test_a_known_axis_without_units_is_not_passed_over_for_another_angle():
    units = {"chi": "degree", "two_theta": ""}
    with pytest.raises(DataError, match="'two_theta' has no units"):
        find_patterns(dataset(("chi", "two_theta"), {"chi": 3, "two_theta": 5}, units))


def test_the_only_variable_on_an_axis_is_the_intensity_and_its_errors_are_not():
    found = dataset(("p", "q"), {"p": 3, "q": 5}, {"q": "1/angstrom"}, name="I")
    found = found.assign(I_errors=found["I"], weight=("p", [1.0, 2, 3]))
    assert find_patterns(found).intensity.name == "I"


def test_results_that_are_attached_do_not_compete_with_the_intensity(series, model):
    named = series.rename(intensity="frame")
    out = named.xrdae.relevance(model).xrdae.reconstruct(model)
    out = out.xrdae.synthesize(model, between=(0, 4))
    assert find_patterns(out).intensity.name == "frame"
    assert find_patterns(out[["synthesized"]]).intensity.name == "synthesized"


def test_k_of_electron_diffraction_is_not_q():
    found = find_patterns(dataset(("p", "k"), {"p": 3, "k": 5}, {"k": "1/angstrom"}))
    np.testing.assert_allclose(found.axis.values, 2 * np.pi * np.linspace(1, 2, 5))


def test_the_data_may_have_the_units_as_radial_unit():
    found = dataset(("p", "radial"), {"p": 3, "radial": 5}, {"radial": ""})
    del found["radial"].attrs["units"]
    found["intensity"].attrs["radial_unit"] = "q_A^-1"
    assert find_patterns(found, variable="intensity").axis.kind == "q"


def test_a_descending_axis_is_turned_around_with_its_intensities(series):
    turned = series.isel(two_theta=slice(None, None, -1))
    one, other = find_patterns(series), find_patterns(turned)
    np.testing.assert_array_equal(one.axis.values, other.axis.values)
    xr.testing.assert_identical(one.intensity, other.intensity)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda ds: ds, None),
        (lambda ds: ds.assign_coords(wavelength=1.5), 1.5),
        (lambda ds: ds.assign_coords(wavelength=((), 1.5e-10, {"units": "m"})), 1.5),
        (lambda ds: ds.assign_coords(wavelength=((), 0.15, {"units": "nm"})), 1.5),
        (lambda ds: ds.assign_coords(wavelength=("p", [1.5] * 3)), 1.5),
        (lambda ds: ds.assign_attrs(wavelength=1.5), 1.5),
        (lambda ds: ds.assign_attrs(wavelength_angstrom=1.5), 1.5),
        (lambda ds: ds.assign_attrs(wavelength_angstrom=float("nan")), None),
    ],
)
def test_the_wavelength_is_that_of_the_dataset_and_never_assumed(change, expected):
    found = dataset(("p", "two_theta"), {"p": 3, "two_theta": 5}, {"two_theta": "degree"})
    wavelength = find_patterns(change(found)).axis.wavelength
    assert wavelength == (None if expected is None else pytest.approx(expected))


def test_a_wavelength_attribute_must_be_a_number():
    found = dataset(
        ("p", "two_theta"), {"p": 3, "two_theta": 5}, {"two_theta": "degree"}, wavelength="Cu Ka"
    )
    with pytest.raises(DataError, match="wavelength='Cu Ka'"):
        find_patterns(found)


def test_a_mask_on_the_axis_hides_channels_of_every_pattern(series):
    found = find_patterns(series.assign(mask=("two_theta", np.arange(200) < 10)))
    assert found.intensity[:, :10].isnull().all()
    assert found.intensity[:, 10:].notnull().all()
    assert not found.left_out.any()


def test_labels_are_numeric_and_lie_along_all_sample_dimensions():
    found = dataset(
        ("y", "x", "two_theta"), {"y": 2, "x": 3, "two_theta": 5}, {"two_theta": "degree"}
    )
    found = found.assign_coords(
        row=("y", [10.0, 20.0]),
        name=("x", ["a", "b", "c"]),
        run=7,
        t=(("x", "y"), np.eye(3)[:, :2]),
    )
    labels = find_patterns(found).labels()
    assert set(labels) == {"row", "t"}
    np.testing.assert_array_equal(labels["row"], [[10] * 3, [20] * 3])
    np.testing.assert_array_equal(labels["t"], np.eye(3)[:, :2].T)


@pytest.mark.parametrize("dims", [("pattern", "two_theta"), ("two_theta",), ("pattern",)])
def test_a_decreasing_axis_of_big_endian_numbers_may_be_masked(series, model, dims):
    mask = np.zeros([series.sizes[d] for d in dims], bool)
    mask.flat[3] = True
    masked = series.assign(mask=(dims, mask))
    turned = masked.isel(two_theta=slice(None, None, -1))
    axis = turned["two_theta"]
    turned = turned.assign_coords(two_theta=("two_theta", axis.values.astype(">f8"), axis.attrs))
    one, other = find_patterns(masked), find_patterns(turned)
    np.testing.assert_array_equal(one.intensity, other.intensity)
    np.testing.assert_array_equal(one.left_out, other.left_out)
    back = turned.xrdae.reconstruct(model) if dims != ("pattern",) else turned
    np.testing.assert_array_equal(back["two_theta"], axis)


def test_a_coordinate_named_as_a_dimension_of_other_patterns_is_refused(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("pattern", 2)
        file.createDimension("q", 4)
        file.createVariable("intensity", "f8", ("pattern", "q"))[:] = 1
        file["intensity"].coordinates = "q"
        file.createVariable("q", "f8", ("pattern",)).units = "1/angstrom"
    with xr.open_dataset(path) as found, pytest.raises(DataError, match="'q' lies along"):
        find_patterns(found)
