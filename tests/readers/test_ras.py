"""Reader of RAS."""

import numpy as np
import pytest

from text_content import find_refusal, read_one_scan, read_text

RAS = """*RAS_HEADER_START
*FILE_SAMPLE "powder"
*HW_XG_TARGET_NAME "Cu"
*HW_XG_WAVE_LENGTH_ALPHA1 "1.540593"
*HW_XG_WAVE_LENGTH_ALPHA2 "1.544414"
*MEAS_COND_AXIS_NAME_INTERNAL-3 "Omega"
*MEAS_COND_AXIS_NAME_INTERNAL-10 "Chi"
*MEAS_COND_AXIS_POSITION-3 "5.0"
*MEAS_COND_AXIS_POSITION-10 "2.0"
*MEAS_COND_XG_VOLTAGE "40"
*MEAS_SCAN_AXIS_X "{axis}"
*MEAS_SCAN_START_TIME "11/21/2017 08:32:31"
*MEAS_SCAN_SPEED "8.0000"
*MEAS_SCAN_SPEED_UNIT "deg/min"
*MEAS_SCAN_STEP "0.0100"
*MEAS_SCAN_UNIT_Y "counts"
*RAS_HEADER_END
*RAS_INT_START
{data}
*RAS_INT_END
"""


def ras_text(data="25.00 13.0 1.0\n25.01 14.0 10.0", axis="TwoThetaTheta"):
    return "*RAS_DATA_START\n" + RAS.format(data=data, axis=axis) + "*RAS_DATA_END\n"


def test_ras_counts_are_multiplied_by_the_attenuator():
    scan = read_one_scan(ras_text(), "a.ras")
    np.testing.assert_array_equal(scan.intensity, [13, 140])
    assert (scan.units, scan.errors) == ("counts", None)
    assert scan.metadata == pytest.approx(
        {
            "wavelength": 1.540593,
            "k_alpha_2": 1.544414,
            "anode": "Cu",
            "voltage": 40.0,
            "sample": "powder",
            "time": "2017-11-21T08:32:31",
            "counting_time": 0.075,
            "chi": 2.0,  # omega moves with 2theta
        }
    )
    assert read_one_scan(ras_text(axis="2-Theta")).metadata["omega"] == 5.0
    assert "omega" not in read_one_scan(ras_text(axis="2-Theta/Omega")).metadata
    np.testing.assert_array_equal(read_one_scan(ras_text("1 5 0.0\n2 6 0.0")).intensity, [5, 6])


def test_ras_scans_over_two_theta_are_kept_in_order():
    rocking = RAS.format(data="1 2 1\n2 3 1", axis="Omega")
    scans = read_text(
        ras_text("10 1\n11 2") + rocking + RAS.format(data="20 3\n21 4", axis="2-Theta")
    )
    assert [scan.positions[0] for scan in scans] == [10, 20]
    assert "Omega" in find_refusal("*RAS_DATA_START\n" + rocking)


def test_ras_without_markers_is_the_short_form():
    text = '*FILE_SAMPLE "a"\n*MEAS_SCAN_UNIT_Y "cps"\n#Attenuator_coefficient=1.0000\n1 2\n2 3\n'
    assert read_one_scan(text, "a.txt").units == "counts/s"
    find_refusal(text.replace("=1.0", "=9.0"), "a.txt")


@pytest.mark.parametrize(
    "text",
    [
        ras_text().split("*RAS_INT_END")[0],
        ras_text().split("14.0")[0] + "\n*RAS_INT_END\n",
        ras_text(data=""),
        ras_text("1 2 1\n2 3 0"),
        ras_text().replace("*MEAS_SCAN_STEP", '*MEAS_DATA_COUNT "9"\n*MEAS_SCAN_STEP'),
    ],
)
def test_broken_ras_is_refused(text):
    find_refusal(text, "a.ras")


def test_ras_positions_in_other_units_than_degree_are_refused():
    text = ras_text().replace("*MEAS_SCAN_UNIT_Y", '*MEAS_SCAN_UNIT_X "mm"\n*MEAS_SCAN_UNIT_Y')
    assert "positions are in 'mm'" in find_refusal(text, "a.ras")
    assert read_text(text.replace('"mm"', '"deg"'), "a.ras")
