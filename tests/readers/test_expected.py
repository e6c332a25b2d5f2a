"""All files of a folder of real files against what independent readers found in them."""

import json

import numpy as np
import pytest

import xrdae

# Where those readers disagree, or one read less than the file holds, the one that is right:
RIGHT = {
    # The header says CONST 1600 1.7 ... STD: centidegrees, ten counts a line; xylib took columns.
    "geddes_gsas.raw": "geddes",
    # "Angle, Intensity" with a header line; xylib missed the comma.
    "geddes_sample.csv": "geddes",
    # 101 scans of 255 points, counts times attenuation factors; geddes returns the first scan.
    "nomad_m82762_rc1mm_1_16dg_src_slit_phi-101_3dg_-420_mesh_long.xrdml": "fairmat",
    # 48 repeated scans of 255 points; geddes returns the first.
    "111_run_1_repeated_scan_1_PZT56_44.xrdml": "xylib",
    # BANK ... CONS 200.00 1.00: centidegrees, which xylib kept.
    "ajm_07_heat-00100_tif_A45.fxye": "geddes",
}
FILES = [
    "111_run_1_repeated_scan_1_PZT56_44.xrdml",
    "NaCl_CrCl3_pdf_ramp2_000_T030.00C_q.chi",
    "ajm_07_heat-00100_tif_A45.fxye",
    "brk_raw1.raw",
    "brk_raw2.raw",
    "dara_BiFeO3.xy",
    "dara_CaNi(PO3)4_800_240_Ca(OH)2_(NH4)2HPO4_NiO.xy",
    "dara_GeO2-ZnO_700C_60min.xrdml",
    "datalab_CG20396_jdb12-1.xrdml",
    "datalab_HL1-2_5-90_60min.xrdml",
    "datalab_Scan_C1.xrdml",
    "datalab_TiO2.raw",
    "datalab_TiOF.brml",
    "datalab_example_bmb.xye",
    "datalab_example_evadiffract.xy",
    "datalab_example_mac.xye",
    "datalab_example_mythen.dat",
    "datalab_example_mythen.xye",
    "geddes_bruker4_diffrac_eva.raw",
    "geddes_gsas.raw",
    "geddes_sample.csv",
    "geddes_sample.rasx",
    "geddes_sample.xrdml",
    "geddes_sample.xy",
    "nomad_23-012-AG_2thomegascan_long.brml",
    "nomad_Omega-2Theta_scan_high_temperature.rasx",
    "nomad_TwoTheta_scan_powder.rasx",
    "nomad_XRD-918-16_10.xrdml",
    "nomad_m82762_rc1mm_1_16dg_src_slit_phi-101_3dg_-420_mesh_long.xrdml",
]


@pytest.fixture(scope="module")
def expected(real_data):
    with real_data("formats/expected.json").open() as file:
        return {entry["file"]: entry["readers"] for entry in json.load(file)}


@pytest.mark.filterwarnings("ignore:positions are assumed:UserWarning")
@pytest.mark.parametrize("name", FILES)
def test_a_real_file_is_read_as_independent_readers_read_it(real_data, expected, name):
    found = xrdae.open_patterns(real_data("formats") / name)
    wanted = [r for r in expected[name] if RIGHT.get(name, "") in r["reader"]][-1]
    axis = found["intensity"].dims[-1]
    x, y = found[axis].values, found["intensity"].values
    assert np.isfinite(y).all()
    assert y.size == wanted["points"]
    assert x[0] == pytest.approx(wanted["x_first"], abs=2e-5)
    assert x[-1] == pytest.approx(wanted["x_last"], rel=2e-5)
    assert y.max() == pytest.approx(wanted["y_max"], rel=1e-6)
    assert y.sum() == pytest.approx(wanted["y_sum"], rel=1e-6)
    if np.isfinite(wanted["x_at_max"]):
        assert x[y.reshape(-1, x.size).max(axis=0).argmax()] == pytest.approx(
            wanted["x_at_max"], rel=2e-5
        )


def test_every_file_that_is_expected_is_tested(expected):
    elsewhere = {"xrdml_918-16_10_ref.nxs", "20-mm-1__20191019-050221__1ef9bc.iq"}
    assert set(FILES) | elsewhere == set(expected)


def test_rows_in_json_are_positions_and_intensities(real_data):
    path = real_data("formats/20-mm-1__20191019-050221__1ef9bc.iq")
    q, intensity = np.array(json.loads(path.read_text())["data"])
    found = xrdae.open_patterns(path)
    np.testing.assert_array_equal(found["q"], q)
    np.testing.assert_array_equal(found["intensity"], intensity)


def test_files_of_many_formats_share_one_dataset_in_q(real_data):
    folder = real_data("formats")
    names = ["geddes_sample.xrdml", "datalab_TiO2.raw", "geddes_sample.rasx", "expected.json"]
    with pytest.warns(UserWarning, match=r"expected\.json"):
        found = xrdae.open_patterns([folder / name for name in names])
    assert found["file"].values.tolist() == names[:3]
    assert (found["wavelength"] > 1.54).all()
    assert found["intensity"].notnull().any(found["intensity"].dims[-1]).all()
