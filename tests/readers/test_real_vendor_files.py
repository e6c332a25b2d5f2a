"""Measured files of instruments against independent readers, and archives."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vendor_content import READERS, make_rasx, read_content
from xrdae.errors import FormatError
from xrdae.readers import data_file
from xrdae.readers.data_file import DataFile

pytest.importorskip("defusedxml")
pytest.importorskip("gemmi")


# The independent reader that is right about the file, where they differ.
MEASURED = {
    "111_run_1_repeated_scan_1_PZT56_44.xrdml": "xylib",
    "dara_GeO2-ZnO_700C_60min.xrdml": "geddes",
    "datalab_CG20396_jdb12-1.xrdml": "geddes",
    "datalab_HL1-2_5-90_60min.xrdml": "geddes",
    "datalab_Scan_C1.xrdml": "geddes",
    "geddes_sample.xrdml": "geddes",
    "nomad_XRD-918-16_10.xrdml": "geddes",
    "nomad_m82762_rc1mm_1_16dg_src_slit_phi-101_3dg_-420_mesh_long.xrdml": "fairmat",
    "brk_raw1.raw": "xylib",
    "brk_raw2.raw": "xylib",
    "datalab_TiO2.raw": "geddes",
    "geddes_bruker4_diffrac_eva.raw": "geddes",
    "datalab_TiOF.brml": "geddes",
    "nomad_23-012-AG_2thomegascan_long.brml": "geddes",
    "geddes_sample.rasx": "geddes",
    "nomad_Omega-2Theta_scan_high_temperature.rasx": "geddes",
    "nomad_TwoTheta_scan_powder.rasx": "geddes",
}


@pytest.mark.parametrize("name", MEASURED)
def test_a_real_file_holds_what_an_independent_reader_found(name, real_data):
    listed = json.loads(real_data("formats/expected.json").read_text())
    (found,) = (
        reader
        for entry in listed
        if entry["file"] == name
        for reader in entry["readers"]
        if reader["reader"].startswith(MEASURED[name])
    )
    scans = read_content(real_data(f"formats/{name}").read_bytes(), name)
    x = np.concatenate([scan.positions for scan in scans])
    y = np.concatenate([scan.intensity for scan in scans])
    assert {scan.kind for scan in scans} == {"two_theta"}
    assert x.size == found["points"]
    np.testing.assert_allclose(x[[0, -1]], [found["x_first"], found["x_last"]], atol=1e-5)
    np.testing.assert_allclose(y.max(), found["y_max"], rtol=1e-6)
    np.testing.assert_allclose(y.sum(), found["y_sum"], rtol=1e-6)
    if np.isfinite(found["x_at_max"]):
        np.testing.assert_allclose(x[y.argmax()], found["x_at_max"], atol=1e-5)


@pytest.mark.parametrize("name", MEASURED)
def test_a_real_file_states_the_copper_line(name, real_data):
    for scan in read_content(real_data(f"formats/{name}").read_bytes(), name):
        assert scan.metadata["wavelength"] == pytest.approx(1.5406, abs=1e-4)
        assert scan.metadata["counting_time"] > 0
        assert scan.errors is None


def test_headers_of_real_files_are_read(real_data):
    def of(name):
        return read_content(real_data(f"formats/{name}").read_bytes(), name)[0].metadata

    assert of("111_run_1_repeated_scan_1_PZT56_44.xrdml") == {
        "wavelength": 1.540598,
        "k_alpha_2": 1.544426,
        "k_alpha_ratio": 0.5,
        "anode": "Cu",
        "voltage": 45,
        "current": 40,
        "instrument": "EMPYREAN",
        "time": "2017-01-10T13:54:33-05:00",
        "counting_time": 16.946,
        "temperature": 294,
        "omega": 19.1,
        "z": 4.759,
    }
    hot = of("nomad_Omega-2Theta_scan_high_temperature.rasx")
    assert hot["temperature"] == pytest.approx(823.15)
    assert hot["counting_time"] == pytest.approx(7.2)
    assert "omega" not in hot  # it moved
    brml_file = of("datalab_TiOF.brml")
    assert (brml_file["sample"], brml_file["counting_time"]) == ("TiOF 18F.2", 124.8)
    assert of("brk_raw1.raw")["sample"] == "VINAIGRE"
    assert of("brk_raw2.raw")["time"] == "1997-12-19T21:57"
    raw4 = of("datalab_TiO2.raw")
    assert (raw4["sample"], raw4["time"]) == ("TiO2", "2018-07-11T15:55:31")
    eva = of("geddes_bruker4_diffrac_eva.raw")
    assert "k_alpha_2" not in eva  # the file has 0
    assert "omega" not in eva


def test_each_scan_of_a_mesh_has_its_omega(real_data):
    name = "formats/nomad_m82762_rc1mm_1_16dg_src_slit_phi-101_3dg_-420_mesh_long.xrdml"
    scans = read_content(real_data(name).read_bytes())
    omega = [scan.metadata["omega"] for scan in scans]
    np.testing.assert_allclose(np.diff(omega), 0.01, atol=2e-4)
    assert len(scans) == 101


@pytest.mark.parametrize(
    "name",
    [
        "geddes_sample.xrdml",
        "brk_raw1.raw",
        "brk_raw2.raw",
        "datalab_TiO2.raw",
        "datalab_TiOF.brml",
        "geddes_sample.rasx",
    ],
)
@pytest.mark.filterwarnings("ignore:.*stopped:UserWarning")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_file_is_read_or_refused(name, real_data, data):
    content = bytearray(real_data(f"formats/{name}").read_bytes())
    if data.draw(st.booleans(), "cut"):
        del content[data.draw(st.integers(8, len(content) - 1), "at") :]
    else:
        near = data.draw(st.sampled_from([2000, len(content)]), "within")
        for _ in range(data.draw(st.integers(1, 4), "times")):
            content[data.draw(st.integers(8, near - 1), "at")] = data.draw(st.integers(0, 255))
    file = DataFile(Path(name), bytes(content))
    with contextlib.suppress(FormatError):
        for reader in READERS:
            if reader.is_mine(file):
                reader.read_scans(file)


def test_archives_that_unpack_to_more_than_a_pattern_can_have_are_refused(monkeypatch):
    monkeypatch.setattr(data_file, "MOST_BYTES", 2**20)
    with pytest.raises(FormatError, match="unpacks to more than"):
        read_content(make_rasx(" " * 2**21))


def test_counts_of_a_scan_with_varying_times_are_rates(real_data):
    (scan,) = read_content(real_data("made_up/vct.xrdml").read_bytes())
    np.testing.assert_array_equal(scan.intensity[[0, -1]], [100, 100])
    assert scan.units == "counts/s"
