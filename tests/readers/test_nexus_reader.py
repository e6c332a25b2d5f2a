import h5py
import numpy as np
import pytest

import xrdae
from xrdae import FormatError
from xrdae.convention.patterns import find_patterns
from xrdae.loading.opening import read_dataset


@pytest.fixture
def write(tmp_path):
    """From fields and attributes of an NXdata (and of its entry) to a file."""

    def make(fields, attrs, entry=None, name="a.nxs"):
        path = tmp_path / name
        with h5py.File(path, "w") as file:
            file.attrs["default"] = "entry"
            group = file.create_group("entry")
            group.attrs["NX_class"] = "NXentry"
            for key, (values, units) in (entry or {}).items():
                group[key] = values
                group[key].attrs["units"] = units
            data = group.create_group("data")
            data.attrs["NX_class"] = "NXdata"
            data.attrs.update(attrs)
            for key, (values, units) in fields.items():
                data[key] = values
                if units:
                    data[key].attrs["units"] = units
        return path

    return make


@pytest.fixture
def stack(series, write):
    """The series as NXdata with errors, a label and the wavelength."""
    fields = {
        "counts": (series["intensity"].values, "counts"),
        "counts_errors": (np.sqrt(series["intensity"].values), "counts"),
        "tth": (series["two_theta"].values, "deg"),
        "x": (series["x"].values, "1"),
    }
    attrs = {"signal": "counts", "axes": [".", "tth"]}
    return write(fields, attrs, {"instrument/monochromator/wavelength": (0.15406, "nm")})


def test_nxdata_keeps_axes_units_errors_labels_and_the_wavelength(stack, series):
    found = xrdae.open_patterns(stack)
    assert found["intensity"].dims == ("pattern", "two_theta")
    np.testing.assert_array_equal(found["intensity"], series["intensity"])
    np.testing.assert_array_equal(found["intensity_errors"], np.sqrt(series["intensity"]))
    np.testing.assert_array_equal(found["x"], series["x"])
    assert found["two_theta"].attrs["units"] == "deg"
    assert float(found["wavelength"]) == pytest.approx(1.5406)


def test_data_are_read_when_asked_for_also_by_dask_and_after_pickling(stack, series):
    import pickle

    found = xrdae.open_patterns(stack)
    assert not found["intensity"].variable._in_memory
    copied = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copied["intensity"][[3, 1]], series["intensity"][[3, 1]])
    chunked = found.chunk(pattern=5)
    np.testing.assert_array_equal(chunked["intensity"][::-2], series["intensity"][::-2])


def test_the_same_patterns_from_nexus_give_the_same_latents(stack, series, model):
    expected = series.xrdae.encode(model)["latent"].values
    found = xrdae.open_patterns(stack).xrdae.encode(model)["latent"].values
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.ptp(expected))


def test_fields_before_2014_say_on_themselves_what_they_are(write):
    path = write({"counts": (np.arange(5.0), "counts"), "polar_angle": (np.arange(5.0), "deg")}, {})
    with h5py.File(path, "a") as file:
        file["entry/data/counts"].attrs["signal"] = 1
        file["entry/data/counts"].attrs["axes"] = "polar_angle"
    assert xrdae.open_patterns(path)["two_theta"].values.tolist() == [0, 1, 2, 3, 4]


def test_edges_of_a_histogram_become_its_middles(write):
    fields = {"I": (np.ones(4), ""), "q": (np.arange(5.0), "1/nm")}
    found = xrdae.open_patterns(write(fields, {"signal": "I", "axes": "q"}))
    assert found["q"].values.tolist() == [0.5, 1.5, 2.5, 3.5]


@pytest.mark.parametrize(
    ("fields", "attrs", "reason"),
    [
        ({"I": (np.ones(4), "")}, {"signal": "I", "axes": "q"}, "which it does not hold"),
        (
            {"I": (np.ones(4), ""), "q": (np.ones(9), "1/nm")},
            {"signal": "I", "axes": "q"},
            "9 values along a dimension of 4",
        ),
        (
            {"I": (np.ones((3, 4)), ""), "q": (np.ones((3, 4)), "1/nm")},
            {"signal": "I", "axes": [".", "q"]},
            "an axis each",
        ),
    ],
)
def test_what_breaks_the_rules_is_refused_with_the_reason(write, fields, attrs, reason):
    path = write(fields, attrs)
    with h5py.File(path, "a") as file:
        file["entry"].attrs["default"] = "data"
    with pytest.raises(xrdae.FormatError, match=reason) as raised:
        xrdae.open_patterns(path)
    assert str(path) in str(raised.value)


def test_a_truncated_file_is_a_format_error(stack):
    content = stack.read_bytes()
    for size in (8, 100, len(content) // 2):
        stack.write_bytes(content[:size])
        with pytest.raises(xrdae.FormatError):
            xrdae.open_patterns(stack)


def test_the_file_of_an_application_definition_is_read_like_its_origin(real_data):
    nexus = read_dataset(real_data("formats/xrdml_918-16_10_ref.nxs"))
    origin = read_dataset(real_data("formats/nomad_XRD-918-16_10.xrdml"))
    np.testing.assert_allclose(nexus["two_theta"], origin["two_theta"], atol=1e-9)
    np.testing.assert_array_equal(nexus["intensity"], origin["intensity"])
    assert float(nexus["wavelength"]) == pytest.approx(float(origin["wavelength"]), rel=1e-6)


@pytest.mark.parametrize(("units", "kind"), [("2th_deg", "two_theta"), ("q_nm^-1", "q")])
def test_units_that_name_the_axis_decide_where_it_is_called_q_whatever_it_is(write, units, kind):
    fields = {"I": (np.ones((3, 4)), ""), "q": (np.arange(4.0), units)}
    found = xrdae.open_patterns(write(fields, {"signal": "I", "axes": [".", "q"]}))
    assert (found["intensity"].dims[-1], find_patterns(found).axis.kind) == (kind, kind)


def test_an_angle_of_a_general_name_is_two_theta_with_a_warning(write):
    fields = {"I": (np.ones((3, 4)), ""), "angle": (np.arange(4.0), "deg")}
    path = write(fields, {"signal": "I", "axes": [".", "angle"]})
    with pytest.warns(UserWarning, match="axis 'angle' is taken for two_theta"):
        assert xrdae.open_patterns(path)["intensity"].dims[-1] == "two_theta"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ('{"energy": 12.398419843320026}', 1.0),
        ('{"wavelength": 1e-10}', 1.0),
        ('{"poni": {"wavelength": 1e-10}}', 1.0),
        ('{"poni": {"wavelength": null}, "energy": "high"}', None),
        ("no JSON", None),
        ("[" * 100_000, None),
    ],
)
def test_the_wavelength_of_an_integration_is_in_its_configuration(stack, stated, expected):
    with h5py.File(stack, "a") as file:
        del file["entry/instrument"]
        file["entry/configuration/data"] = stated
    found = xrdae.open_patterns(stack)
    assert expected == (float(found["wavelength"]) if "wavelength" in found.coords else None)


SPECTRA = [
    ("energy", "keV"),
    ("tof", "us"),
    ("r", "angstrom"),
    ("wavelength", "nm"),
    ("raman_shift", "1/cm"),
    ("chi", "deg"),
    ("omega", "deg"),
]


@pytest.mark.parametrize(("name", "units"), SPECTRA)
def test_an_axis_of_spectra_is_kept_beside_labels_with_units(write, name, units):
    values = np.random.default_rng(0).normal(size=(5, 8))
    fields = {
        "counts": (values, "counts"),
        "temperature": (np.arange(5.0), "K"),
        name: (np.arange(8.0)[::-1], units),
    }
    path = write(fields, {"signal": "counts", "axes": ["temperature", name]})
    patterns = find_patterns(xrdae.open_patterns(path))
    assert (patterns.axis.kind, patterns.dim, patterns.axis.units) == ("other", name, units)
    assert patterns.axis.descending
    np.testing.assert_array_equal(patterns.intensity, values[:, ::-1])


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        (["two_theta", "energy"], "energy"),  # energy-dispersive diffraction at several angles
        (["energy", "two_theta"], "two_theta"),  # patterns at several energies
        (["q", "temperature"], "q"),
        (["energy", "temperature"], "energy"),
        (["temperature", "pressure"], "pressure"),
        (["chi", "two_theta"], "two_theta"),
    ],
)
def test_of_several_axes_that_of_spectra_is_found(write, axes, expected):
    units = {"two_theta": "deg", "energy": "keV", "q": "1/nm", "temperature": "K", "chi": "deg"}
    fields = {"I": (np.ones((4, 6)), "")} | {
        name: (np.linspace(5, 20, n), units.get(name, "bar"))
        for name, n in zip(axes, (4, 6), strict=True)
    }
    found = read_dataset(write(fields, {"signal": "I", "axes": axes}))
    assert find_patterns(found).dim == expected


def test_a_signal_called_a_spectrum_runs_along_its_last_dimension_also_without_a_coordinate(write):
    path = write({"I": (np.ones((4, 6)), ""), "T": (np.arange(4.0), "K")},
                 {"signal": "I", "axes": ["T", "."]})  # fmt: skip
    with h5py.File(path, "a") as file:
        file["entry/data/I"].attrs["interpretation"] = "spectrum"
    patterns = find_patterns(read_dataset(path))
    assert (patterns.dim, patterns.axis.kind, patterns.axis.units) == ("channels", "other", "1")


def test_maps_by_position_and_signals_without_axes_have_no_axis(write):
    fields = {"I": (np.ones((4, 6)), ""), "y": (np.arange(4.0), "nm"), "x": (np.arange(6.0), "nm")}
    for i, attrs in enumerate(({"axes": ["y", "x"]}, {})):
        found = read_dataset(write(fields, {"signal": "I"} | attrs, name=f"{i}.nxs"))
        with pytest.raises(xrdae.DataError, match="no axis"):
            find_patterns(found)


def test_contradicting_units_elsewhere_in_a_file_do_not_hinder_reading(stack):
    with h5py.File(stack, "a") as file:
        del file["entry/data"].attrs["NX_class"]
        file.move("entry/data", "entry/patterns")
        file["entry/patterns"].attrs["NX_class"] = "NXdata"
        other = file["entry"].create_group("other")
        other.attrs.update(NX_class="NXdata", signal="I", axes="q")
        other["I"], other["q"] = np.ones(4), np.arange(4.0)
        other["q"].attrs["units"] = "deg"
    assert xrdae.open_patterns(stack)["intensity"].dims == ("pattern", "two_theta")


@pytest.mark.parametrize("names", [("I_scaling_factor", "I_offset"), ("scaling_factor", "offset")])
def test_scaled_integers_become_intensities(write, names):
    counts = np.arange(12, dtype=np.int16).reshape(3, 4)
    fields = {
        "I": (counts, ""),
        "tth": (np.arange(4, dtype=np.int32) * 1000, "deg"),
        "tth_scaling_factor": (0.5e-3, ""),
        names[0]: (0.25, ""),
        names[1]: ([2.0], ""),
    }
    found = xrdae.open_patterns(write(fields, {"signal": "I", "axes": [".", "tth"]}))
    np.testing.assert_allclose(found["intensity"], counts * 0.25 + 2)
    np.testing.assert_allclose(found["intensity"][1, :2], counts[1, :2] * 0.25 + 2)
    np.testing.assert_allclose(found["two_theta"], np.arange(4) * 0.5)
    assert not {"I_offset", "scaling_factor", "tth_scaling_factor"} & set(found.coords)


def test_a_factor_that_cannot_scale_is_refused(write):
    fields = {"I": (np.ones(4), ""), "tth": (np.arange(4.0), "deg"), "scaling_factor": (0.0, "")}
    with pytest.raises(FormatError, match="scaling_factor is no single number"):
        xrdae.open_patterns(write(fields, {"signal": "I", "axes": ["tth"]}))


def test_the_attribute_axis_of_old_files_tells_the_dimension(write):
    path = write({"I": (np.ones((3, 4)), ""), "tth": (np.arange(4.0), "deg")}, {})
    with h5py.File(path, "r+") as file:
        file["entry/data/I"].attrs["signal"] = 1
        file["entry/data/tth"].attrs["axis"] = 2
    assert xrdae.open_patterns(path)["intensity"].dims[-1] == "two_theta"
