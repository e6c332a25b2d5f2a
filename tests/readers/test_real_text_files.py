"""Measured text files against independent readers."""

import json

import numpy as np
import pytest

from text_content import read_one_scan


@pytest.mark.parametrize(
    "name",
    [
        "dara_BiFeO3.xy",
        "dara_CaNi(PO3)4_800_240_Ca(OH)2_(NH4)2HPO4_NiO.xy",
        "datalab_example_bmb.xye",
        "datalab_example_evadiffract.xy",
        "datalab_example_mac.xye",
        "datalab_example_mythen.dat",
        "datalab_example_mythen.xye",
        "geddes_gsas.raw",
        "geddes_sample.csv",
        "geddes_sample.xy",
        "ajm_07_heat-00100_tif_A45.fxye",
        "NaCl_CrCl3_pdf_ramp2_000_T030.00C_q.chi",
    ],
)
def test_a_real_file_reads_as_independent_readers_read_it(real_data, name):
    known = json.loads(real_data("formats/expected.json").read_text())
    found = next(entry for entry in known if entry["file"] == name)["readers"]
    trusted = [r for r in found if r["reader"] != "xylib" or len(found) == 1]
    scan = read_one_scan(real_data(f"formats/{name}").read_bytes(), name)
    top = scan.positions[scan.intensity.argmax()]
    for reader in trusted:
        assert len(scan.positions) == reader["points"]
        # The readers' values are rounded to five or six decimals.
        np.testing.assert_allclose(scan.positions[0], reader["x_first"], atol=6e-6)
        np.testing.assert_allclose(scan.positions[-1], reader["x_last"], atol=6e-6)
        np.testing.assert_allclose(top, reader["x_at_max"], atol=6e-6)
        np.testing.assert_allclose(scan.intensity.max(), reader["y_max"], rtol=1e-9)
        np.testing.assert_allclose(scan.intensity.sum(), reader["y_sum"], rtol=1e-9)


def test_headers_of_real_files_are_kept(real_data):
    beamline = read_one_scan(real_data("formats/datalab_example_bmb.xye").read_bytes(), "a.xye")
    assert beamline.errors[0] == 37.744249
    assert beamline.metadata == {
        "sample": "eel69B",
        "temperature": 300.03,
        "counting_time": 0.1,
        "wavelength": 0.414581,
    }
    eva = read_one_scan(real_data("formats/datalab_example_evadiffract.xy").read_bytes())
    assert eva.metadata == {"anode": "Cu", "counting_time": 96.0}
    name = "NaCl_CrCl3_pdf_ramp2_000_T030.00C_q.chi"
    assert read_one_scan(real_data(f"formats/{name}").read_bytes(), name).kind == "q"


def test_a_column_of_equal_times_is_the_counting_time(real_data):
    scan = read_one_scan(real_data("made_up/time.uxd").read_bytes(), "time.uxd")
    assert (scan.intensity.size, scan.intensity.max(), scan.units) == (200, 1000, "counts")
    assert scan.metadata["counting_time"] == 1
