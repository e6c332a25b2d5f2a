import numpy as np
import pytest

import xrdae
from xrdae.convention.patterns import find_patterns

pytest.importorskip("pyFAI", reason="pyFAI is not installed")


@pytest.fixture
def results(series):
    from xrdae_adapters.pyfai import to_results

    errors = np.sqrt(series["intensity"]).rename("intensity_errors")
    return to_results(series.assign(intensity_errors=errors))


def test_nxazint1d_gives_the_same_latents(results, series, tmp_path, model, latents):
    from pyFAI.io.nexus import save_NXazint1d

    path = tmp_path / "azint.h5"
    save_NXazint1d(str(path), results, wavelength=1.5406e-10)
    found = xrdae.open_patterns(path)
    assert found["intensity"].dims == ("pattern", "two_theta")
    np.testing.assert_allclose(found["intensity_errors"], np.sqrt(series["intensity"]), rtol=1e-6)
    assert float(found["wavelength"]) == pytest.approx(1.5406)
    again = found.xrdae.encode(model)["latent"].values
    np.testing.assert_allclose(again, latents, rtol=0, atol=1e-6 * np.ptp(latents))


def test_a_folder_of_nxmonopd_is_one_dataset(results, series, tmp_path):
    from pyFAI.io.nexus import save_NXmonpd

    for i, result in enumerate(results[:4]):
        save_NXmonpd(str(tmp_path / f"{i}.nxs"), result)
    found = xrdae.open_patterns(tmp_path)
    assert found["intensity"].dims == ("pattern", "two_theta")
    np.testing.assert_allclose(found["intensity"], series["intensity"][:4], rtol=1e-6)
    np.testing.assert_allclose(found["two_theta"], series["two_theta"], rtol=1e-6)


@pytest.mark.parametrize(("unit", "kind"), [("2th_deg", "two_theta"), ("q_nm^-1", "q")])
def test_the_stack_of_a_real_integration_is_read_with_its_axis(tmp_path, unit, kind):
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator
    from pyFAI.io import HDF5Writer

    detector = Detector(200e-6, 200e-6, max_shape=(64, 64))
    integrator = AzimuthalIntegrator(
        dist=0.06, poni1=0.0064, poni2=0.0064, detector=detector, wavelength=0.5e-10
    )
    path = tmp_path / "stack.h5"
    images = np.random.default_rng(0).poisson(50, (3, 64, 64)).astype("float32")
    results = [integrator.integrate1d(image, 50, unit=unit) for image in images]
    writer = HDF5Writer(str(path))
    writer.init({"unit": unit, "nbpt_rad": 50})
    for i, result in enumerate(results):
        writer.write(result, index=i)
    writer.close()
    found = xrdae.open_patterns(path)
    assert found["intensity"].dims[-1] == kind
    np.testing.assert_allclose(
        found["intensity"].values[:3], [r.intensity for r in results], rtol=1e-6
    )
    axis = find_patterns(found).axis
    factor = 0.1 if kind == "q" else 1
    np.testing.assert_allclose(axis.values, results[0].radial * factor, rtol=1e-5)


def test_bins_without_pixels_are_masked(tmp_path):
    from pyFAI.detectors import Detector
    from pyFAI.integrator.azimuthal import AzimuthalIntegrator
    from pyFAI.io.nexus import save_NXazint1d, save_NXmonpd

    detector = Detector(200e-6, 200e-6, max_shape=(32, 32))
    integrator = AzimuthalIntegrator(
        dist=0.06, poni1=0.0032, poni2=0.0032, detector=detector, wavelength=0.5e-10
    )
    image = np.full((32, 32), 7.0, dtype="float32")
    method = ("no", "histogram", "cython")
    result = integrator.integrate1d(
        image, 300, unit="2th_deg", method=method, error_model="poisson"
    )
    empty = result.count == 0
    assert 0 < empty.sum() < 300
    save_NXmonpd(str(tmp_path / "a.nxs"), result)
    save_NXazint1d(str(tmp_path / "b.nxs"), [result], wavelength=0.5e-10)
    for name in ("a.nxs", "b.nxs"):
        intensity = find_patterns(xrdae.open_patterns(tmp_path / name)).intensity.values.ravel()
        np.testing.assert_array_equal(np.isnan(intensity), empty)
