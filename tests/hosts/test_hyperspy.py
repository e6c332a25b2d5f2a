import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae import plugins
from xrdae.convention.patterns import find_patterns

hs = pytest.importorskip("hyperspy.api")

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*_get_block_pattern:DeprecationWarning",
    "ignore:.*NestedDirectoryStore:FutureWarning",
    "ignore:.*non-uniform.*:UserWarning",
)


def _axes(two_theta, shape=(24,), names=("y", "x"), units="nm", *, uniform=True):
    navigation = [
        {"size": n, "name": name, "units": units, "scale": 2.0, "offset": 10.0, "navigate": True}
        for n, name in zip(shape, names, strict=False)
    ]
    step = (two_theta[-1] - two_theta[0]) / (len(two_theta) - 1)
    values = {"offset": two_theta[0], "scale": step} if uniform else {"axis": two_theta}
    signal = {"size": len(two_theta), "name": "2theta", "units": "deg", "navigate": False}
    return [*navigation, signal | values]


@pytest.fixture
def make_signal(series):
    """From a shape (and whether uniform) to a signal of the series."""

    def make(shape=(24,), **options):
        axes = _axes(series["two_theta"].values, shape, **options)
        signal = hs.signals.Signal1D(series["intensity"].values.reshape(*shape, 200), axes=axes)
        signal.metadata.General.title = "heating run"
        signal.metadata.set_item("Signal.quantity", "Intensity (Counts)")
        signal.metadata.set_item("Acquisition_instrument.XRD.wavelength", 1.5406)
        return signal

    return make


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("uniform", [False, True])
@pytest.mark.parametrize("shape", [(24,), (4, 6)])
def test_the_same_patterns_give_the_same_latents(
    make_signal, gives_the_same_latents, shape, uniform, lazy
):
    signal = make_signal(shape, uniform=uniform)
    gives_the_same_latents(signal.as_lazy() if lazy else signal)


def test_a_descending_axis_too(make_signal, gives_the_same_latents, model):
    signal = make_signal()
    axis = signal.axes_manager.signal_axes[0]
    axis.offset, axis.scale = 80.0, -axis.scale
    signal.data = signal.data[:, ::-1].copy()
    gives_the_same_latents(signal)
    up = xrdae.analyze(make_signal(), model).result("relevance_profile")
    down = xrdae.analyze(signal, model).result("relevance_profile")
    assert down.axes_manager.signal_axes[0].axis[0] == 80.0
    np.testing.assert_allclose(down.data, up.data[:, ::-1], atol=1e-6)


def test_a_transposed_signal_too(make_signal, gives_the_same_latents):
    signal = make_signal((24,))
    moved = hs.signals.BaseSignal(signal.data.T.copy(), axes=list(reversed(_dictionaries(signal))))
    moved.metadata.set_item("Acquisition_instrument.XRD.wavelength", 1.5406)
    gives_the_same_latents(moved.transpose(signal_axes=["2theta"]))


def _dictionaries(signal):
    axes = sorted(signal.axes_manager._axes, key=lambda axis: axis.index_in_array)
    return [axis.get_axis_dictionary() for axis in axes]


@pytest.fixture
def make_pyxem(series):
    """From units of k or q (and a name, and how many such units 1/angstrom are) to a signal."""
    pyxem = pytest.importorskip("pyxem")

    def make(units, name, per_inverse_angstrom):
        q = 4 * np.pi * np.sin(np.radians(series["two_theta"].values / 2)) / 1.5406
        axes = [
            {"size": 24, "name": "x", "units": "nm", "navigate": True},
            {"axis": q * per_inverse_angstrom, "name": name, "units": units, "navigate": False},
        ]
        signal = pyxem.signals.Diffraction1D(series["intensity"].values, axes=axes)
        signal.metadata.set_item("Acquisition_instrument.TEM.wavelength", 1.5406)
        return signal

    return make


@pytest.mark.parametrize(
    ("units", "name", "per_inverse_angstrom"),
    [
        ("k_A^-1", "Radius", 1 / (2 * np.pi)),
        ("k_nm^-1", "Radius", 10 / (2 * np.pi)),
        ("q_A^-1", "Radius", 1.0),
        ("q_nm^-1", "k", 10.0),
        ("$A^{-1}$", "k", 1 / (2 * np.pi)),
        (r"$\AA^{-1}$", "Radius", 1 / (2 * np.pi)),
    ],
)
def test_patterns_of_pyxem_in_k_and_q_give_the_same_latents(
    make_pyxem, gives_the_same_latents, units, name, per_inverse_angstrom
):
    gives_the_same_latents(make_pyxem(units, name, per_inverse_angstrom))


def test_an_integrated_image_of_pyxem_is_a_pattern_in_q():
    pyxem = pytest.importorskip("pyxem")
    y, x = np.mgrid[-32:32, -32:32]
    ring = np.exp(-0.5 * ((np.hypot(y, x) - 12) / 1.2) ** 2)
    image = pyxem.signals.Diffraction2D(np.stack([ring, 2 * ring]))
    image.calibration(scale=0.1, units="k_A^-1", center=None)
    image.calibration.wavelength = 0.02
    ds = plugins.to_dataset(
        image.get_azimuthal_integral1d(npt=60, mean=True, show_progressbar=False)
    )
    axis = find_patterns(ds).axis
    assert axis.kind == "q"
    peak = axis.values[ds["intensity"].values[0].argmax()]
    assert peak == pytest.approx(2 * np.pi * 1.2, abs=0.5)


def test_axes_keep_names_units_and_the_order_of_the_array(make_signal):
    ds = plugins.to_dataset(make_signal((4, 6), units="um"))
    assert ds["intensity"].dims == ("y", "x", "two_theta")
    np.testing.assert_array_equal(ds["y"], [10, 12, 14, 16])
    assert ds["x"].attrs["units"] == "um"
    assert ds["two_theta"].attrs["units"] == "deg"
    said = {"long_name": "Intensity", "units": "counts", "xrdae_axis": "two_theta"}
    assert ds["intensity"].attrs == said
    assert ds["wavelength"] == 1.5406
    assert ds.attrs["title"] == "heating run"


def test_axes_without_names_get_names_that_stay(series, tmp_path):
    signal = hs.signals.Signal1D(series["intensity"].values.reshape(4, 6, 200))
    signal.axes_manager.signal_axes[0].units = "deg"
    signal.axes_manager.signal_axes[0].scale = 0.3
    signal.save(tmp_path / "map.hspy")
    for one in (signal, hs.load(tmp_path / "map.hspy")):
        assert plugins.to_dataset(one)["intensity"].dims == ("axis_0", "axis_1", "two_theta")


def test_a_navigation_axis_with_the_name_of_a_diffraction_axis_is_not_the_axis(make_signal):
    ds = plugins.to_dataset(make_signal((4, 6), names=("q", "d"), units="angstrom"))
    assert ds["intensity"].dims == ("q_0", "d_1", "two_theta")
    assert find_patterns(ds).axis.kind == "two_theta"


def test_the_conversion_computes_nothing(make_signal):
    def fail(block):
        raise AssertionError("computed")

    signal = make_signal((4, 6)).as_lazy()
    signal.data = signal.data.map_blocks(fail, dtype=float, meta=np.empty((0, 0, 0)))
    signal.metadata.set_item("Signal.Noise_properties.variance", signal.deepcopy())
    ds = plugins.to_dataset(signal)
    assert ds["intensity"].chunks
    assert ds["intensity_errors"].chunks


@pytest.mark.parametrize("lazy", [False, True])
def test_the_root_of_the_noise_variance_is_the_error(make_signal, lazy):
    signal = make_signal((4, 6))
    signal.estimate_poissonian_noise_variance()
    if lazy:
        signal = signal.as_lazy()
    ds = plugins.to_dataset(signal)
    np.testing.assert_allclose(ds["intensity_errors"] ** 2, ds["intensity"])
    signal.set_noise_variance(9.0)
    np.testing.assert_array_equal(plugins.to_dataset(signal)["intensity_errors"], 3.0)


@pytest.mark.parametrize("units", ["", "px", "eV"])
def test_units_that_contradict_the_name_are_refused_with_what_to_set(make_signal, units):
    signal = make_signal((4, 6))
    signal.axes_manager.signal_axes[0].units = units
    with pytest.raises(xrdae.DataError, match=r"signal_axes\[0\]\.units = '2th_deg'"):
        plugins.to_dataset(signal)
    signal.axes_manager.signal_axes[0].name = "channel" if units == "px" else "energy"
    assert find_patterns(plugins.to_dataset(signal)).axis.kind == "other"


def test_images_and_complex_signals_are_refused():
    for signal in (
        hs.signals.Signal2D(np.ones((3, 4, 5))),
        hs.signals.ComplexSignal1D(np.ones((3, 4)) * 1j),
    ):
        with pytest.raises(xrdae.DataError, match="real with one signal axis"):
            plugins.to_dataset(signal)


def test_objects_of_others_are_left_to_others():
    from xrdae_adapters import hyperspy

    for obj in (np.ones(3), xr.Dataset()):
        assert hyperspy.xrdae_to_dataset(obj) is None
        assert hyperspy.xrdae_attach(obj, xr.Dataset()) is None


@pytest.mark.parametrize("lazy", [False, True])
def test_a_map_in_gives_a_latent_map_out(make_signal, model, latents, lazy):
    from xrdae_adapters.hyperspy_signals import LazyXrdaeLatent, XrdaeLatent

    signal = make_signal((4, 6))
    signal = signal.as_lazy() if lazy else signal
    out = xrdae.analyze(signal, model)
    assert type(out) is (LazyXrdaeLatent if lazy else XrdaeLatent)
    assert out._lazy == lazy
    assert out.axes_manager.navigation_shape == signal.axes_manager.navigation_shape == (6, 4)
    assert [a.get_axis_dictionary() for a in out.axes_manager.navigation_axes] == [
        a.get_axis_dictionary() for a in signal.axes_manager.navigation_axes
    ]
    assert out.axes_manager.signal_axes[0].name == "latent_axis"
    assert out.metadata.General.title == "latent of heating run"
    assert out.metadata.Acquisition_instrument.XRD.wavelength == 1.5406
    expected = latents.reshape(4, 6, 2)
    np.testing.assert_allclose(np.asarray(out.data), expected, atol=1e-6 * np.ptp(latents))


@pytest.mark.parametrize("lazy", [False, True])
def test_the_other_results_are_signals_on_the_same_navigation_axes(make_signal, model, lazy):
    signal = make_signal((4, 6))
    out = xrdae.analyze(signal.as_lazy() if lazy else signal, model)
    for name, shape in {
        "latent_std": (2,),
        "novelty": (),
        "reconstruction_error": (),
        "relevance": (5,),
        "relevance_profile": (200,),
        "latent_shift": (2, 5),
    }.items():
        found = out.result(name)
        assert found.axes_manager.navigation_shape == (6, 4)
        assert found.axes_manager.signal_shape == shape
        assert found._lazy == lazy
    region = out.result("relevance").axes_manager.signal_axes[0]
    assert region.units == "deg"
    assert (out.result("region_start") < region.axis).all()
    assert out.result("relevance_profile").axes_manager.signal_axes[0].name == "2theta"
    for name in ("region_change", "relevance_excess", "relevance_verdict"):  # of all patterns
        found = out.result(name)
        assert found.axes_manager.navigation_shape == ()
        assert found.axes_manager.signal_shape == (5,)
        np.testing.assert_array_equal(found.axes_manager.signal_axes[0].axis, region.axis)
    flags = found.metadata.xrdae_attributes
    assert set(found.data) <= set(flags.flag_values) == {-1, 0, 1, 2}
    assert flags.flag_meanings.split()[2] == "relevant"


def test_the_signal_is_not_changed(make_signal, model):
    signal = make_signal((4, 6))
    before = signal.deepcopy()
    xrdae.analyze(signal, model)
    np.testing.assert_array_equal(signal.data, before.data)
    assert signal.metadata.as_dictionary() == before.metadata.as_dictionary()
    assert signal.axes_manager.as_dictionary() == before.axes_manager.as_dictionary()


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("ending", ["hspy", "zspy"])
def test_latents_and_companions_survive_the_hosts_file(make_signal, model, tmp_path, ending, lazy):
    from xrdae_adapters.hyperspy_signals import XrdaeLatent

    signal = make_signal((4, 6))
    out = xrdae.analyze(signal.as_lazy() if lazy else signal, model)
    out.save(tmp_path / f"latents.{ending}")
    back = hs.load(tmp_path / f"latents.{ending}")
    assert type(back) is XrdaeLatent
    np.testing.assert_array_equal(back.data, np.asarray(out.data))
    for name in ("novelty", "relevance", "latent_shift"):
        np.testing.assert_array_equal(back.result(name).data, np.asarray(out.result(name).data))
        assert back.result(name).axes_manager.navigation_shape == (6, 4)
    np.testing.assert_array_equal(back.result("region_stop"), out.result("region_stop"))
    verdict = back.result("relevance_verdict")
    np.testing.assert_array_equal(verdict.data, out.result("relevance_verdict").data)
    assert np.array_equal(verdict.metadata.xrdae_attributes.flag_values, [-1, 0, 1, 2])
    assert back.result("provenance") == out.result("provenance")
    steps = json.loads(back.result("provenance"))["steps"]
    assert [entry["step"] for entry in steps] == ["encode", "relevance"]


def test_a_result_of_sliced_latents_is_refused(make_signal, model):
    out = xrdae.analyze(make_signal((4, 6)), model)
    with pytest.raises(xrdae.DataError, match="slice both"):
        out.inav[:3, :].result("novelty")
    with pytest.raises(xrdae.DataError, match="'colour'; choose one of"):
        out.result("colour")


def test_one_pattern_gives_one_point(series, model, latents):
    axes = _axes(series["two_theta"].values, ())
    signal = hs.signals.Signal1D(series["intensity"].values[3], axes=axes)
    signal.metadata.set_item("Acquisition_instrument.XRD.wavelength", 1.5406)
    out = xrdae.analyze(signal, model)
    np.testing.assert_allclose(out.data, latents[3], atol=1e-5)
    assert out.result("novelty").data.shape == (1,)


def test_synthesized_patterns_are_a_signal_on_the_same_axis(make_signal, model):
    signal = make_signal()
    result = model.synthesize(plugins.to_dataset(signal), between=(3, 7), n=3)
    out = plugins.manager().hook.xrdae_attach(obj=signal, result=result)
    assert out.axes_manager.navigation_shape == (3,)
    axis, own = out.axes_manager.signal_axes[0], signal.axes_manager.signal_axes[0]
    assert axis.get_axis_dictionary() == own.get_axis_dictionary()
    np.testing.assert_allclose(out.metadata.xrdae.synthesized_y.data, [18, 20, 22])


def test_looking_for_the_adapter_does_not_import_the_host():
    code = (
        "import sys, xrdae\n"
        "from xrdae import plugins\n"
        "assert plugins.manager().has_plugin('hyperspy')\n"
        "assert plugins.manager().hook.xrdae_to_dataset(obj=object()) is None\n"
        "assert not {'hyperspy', 'pyxem'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_host_finds_the_signal_classes_without_importing_them():
    code = (
        "import sys, hyperspy.api as hs\n"
        "from hyperspy.extensions import ALL_EXTENSIONS\n"
        "assert 'LazyXrdaeLatent' in ALL_EXTENSIONS['signals']\n"
        "assert not {'xrdae', 'xrdae_adapters'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.filterwarnings("ignore:.*clusters are not stable:UserWarning")
@pytest.mark.parametrize("lazy", [False, True])
def test_clusters_keep_their_flags_and_their_figures(make_signal, model, tmp_path, lazy):
    signal = make_signal((4, 6))
    signal = signal.as_lazy() if lazy else signal
    result = model.cluster(plugins.to_dataset(signal), 3)
    out = plugins.call_hook("xrdae_attach", obj=signal, result=result)
    assert out.axes_manager.navigation_shape == (6, 4)
    np.testing.assert_array_equal(np.asarray(out.data), result["cluster"])
    attrs = result["cluster"].attrs
    np.testing.assert_array_equal(out.metadata.xrdae_attributes.flag_values, attrs["flag_values"])
    assert out.metadata.xrdae_attributes.flag_meanings == attrs["flag_meanings"]
    assert json.loads(out.metadata.xrdae_attributes.stability_curve)["n"][0] == 2
    patterns = out.metadata.xrdae.cluster_pattern
    assert patterns.axes_manager.navigation_shape == (3,)
    np.testing.assert_allclose(patterns.data, result["cluster_pattern"])
    assert "distinguishing_regions" in patterns.metadata.xrdae_attributes
    if not lazy:
        out.save(tmp_path / "clusters.hspy")
        again = hs.load(tmp_path / "clusters.hspy")
        kept = again.metadata.xrdae_attributes.flag_values
        np.testing.assert_array_equal(kept, attrs["flag_values"])
