"""Reader of XRDML."""

import numpy as np
import pytest

from vendor_content import read_content
from xrdae.errors import FormatError

pytest.importorskip("defusedxml")


TWO_THETA = (
    '<positions axis="2Theta" unit="deg"><startPosition>10</startPosition>'
    "<endPosition>12</endPosition></positions>"
)


def xrdml_of(*points, after="", version="2.0", intended="K-Alpha"):
    scans = "".join(f"<scan><dataPoints>{p}</dataPoints>{after}</scan>" for p in points)
    return (
        f'<?xml version="1.0"?><xrdMeasurements '
        f'xmlns="http://www.xrdml.com/XRDMeasurement/{version}"><xrdMeasurement>'
        f'<usedWavelength intended="{intended}"><kAlpha1 unit="Angstrom">1.5406</kAlpha1>'
        '<kAlpha2 unit="Angstrom">0</kAlpha2><kBeta unit="Angstrom">1.3922</kBeta>'
        f"</usedWavelength>{scans}</xrdMeasurement></xrdMeasurements>"
    )


def test_xrdml_counts_are_multiplied_by_the_attenuation_and_intensities_are_not():
    factors = "<beamAttenuationFactors>1 10 1</beamAttenuationFactors>"
    (counts,) = read_content(xrdml_of(TWO_THETA + factors + "<counts>5 6 7</counts>"))
    (intensities,) = read_content(
        xrdml_of(TWO_THETA + factors + "<intensities>5 60 7</intensities>")
    )
    np.testing.assert_array_equal(counts.intensity, [5, 60, 7])
    np.testing.assert_array_equal(intensities.intensity, [5, 60, 7])
    common = "<commonBeamAttenuationFactor>2</commonBeamAttenuationFactor>"
    (scan,) = read_content(xrdml_of(TWO_THETA + common + "<counts>5 6 7</counts>"))
    np.testing.assert_array_equal(scan.intensity, [10, 12, 14])
    assert scan.units == "counts"
    np.testing.assert_array_equal(scan.positions, [10, 11, 12])


def test_xrdml_positions_may_be_listed_and_outlast_an_aborted_scan():
    listed = (
        r'<positions axis="2\theta"><listPositions>1 2 4 8</listPositions></positions>'
        "<counts>5 6 7</counts>"
    )
    (scan,) = read_content(xrdml_of(listed))
    np.testing.assert_array_equal(scan.positions, [1, 2, 4])
    with pytest.raises(FormatError, match="4 positions for 5 intensities"):
        read_content(xrdml_of(listed.replace("5 6 7", "5 6 7 8 9")))


def test_xrdml_scans_over_other_axes_are_refused_or_left_out():
    rocking = TWO_THETA.replace("2Theta", "Omega") + "<counts>1 2 3</counts>"
    with pytest.raises(FormatError, match="patterns are scans over 2Theta"):
        read_content(xrdml_of(rocking))
    assert len(read_content(xrdml_of(rocking, TWO_THETA + "<counts>1 2 3</counts>"))) == 1
    still = '<positions axis="2Theta"><commonPosition>30</commonPosition></positions>'
    with pytest.raises(FormatError, match="patterns are scans over 2Theta"):
        read_content(xrdml_of(still + rocking))
    with pytest.raises(FormatError, match="no scan with intensities"):
        read_content(xrdml_of(TWO_THETA))


@pytest.mark.parametrize(("unit", "kelvin"), [("K", 300.0), ("°C", 573.15), ("C", 573.15)])
def test_xrdml_temperatures_become_one_in_kelvin(unit, kelvin):
    after = (
        f'<nonAmbientPoints type="Temperature" unit="{unit}">'
        "<nonAmbientValues>299 301</nonAmbientValues></nonAmbientPoints>"
    )
    times = "<countingTimes>2 2 2</countingTimes>"
    (scan,) = read_content(xrdml_of(TWO_THETA + times + "<counts>1 2 3</counts>", after=after))
    assert scan.metadata["temperature"] == pytest.approx(kelvin)
    assert scan.metadata["counting_time"] == 2


def test_xrdml_states_the_line_that_was_used_and_no_zero():
    said = read_content(xrdml_of(TWO_THETA + "<counts>1 2 3</counts>"))[0].metadata
    assert said == {"wavelength": 1.5406}
    beta = xrdml_of(TWO_THETA + "<counts>1 2 3</counts>", intended="K-Beta")
    assert read_content(beta)[0].metadata == {"wavelength": 1.3922}


def test_xrdml_with_broken_numbers_is_refused():
    with pytest.raises(FormatError, match="counts are no numbers"):
        read_content(xrdml_of(TWO_THETA + "<counts>1 2 x</counts>"))
    factors = "<beamAttenuationFactors>1 10</beamAttenuationFactors>"
    with pytest.raises(FormatError, match="2 beamAttenuationFactors for 3 counts"):
        read_content(xrdml_of(TWO_THETA + factors + "<counts>1 2 3</counts>"))


def test_xrdml_counts_are_divided_by_times_that_vary():
    factors = "<beamAttenuationFactors>1 10 1</beamAttenuationFactors>"
    times = "<countingTimes>1 2 4 4</countingTimes>"
    (scan,) = read_content(xrdml_of(TWO_THETA + factors + times + "<counts>5 6 8</counts>"))
    np.testing.assert_array_equal(scan.intensity, [5, 30, 2])
    assert (scan.units, "counting_time" in scan.metadata) == ("counts/s", False)
    rates = TWO_THETA + times + '<intensities unit="cps">5 6 8</intensities>'
    np.testing.assert_array_equal(read_content(xrdml_of(rates))[0].intensity, [5, 6, 8])


@pytest.mark.parametrize(("times", "said"), [("1 2", "2 counting times"), ("1 0 2", "positive")])
def test_xrdml_times_that_cannot_be_are_refused(times, said):
    times = f"<countingTimes>{times}</countingTimes>"
    with pytest.raises(FormatError, match=said):
        read_content(xrdml_of(TWO_THETA + times + "<counts>5 6 8</counts>"))


def test_xrdml_points_without_time_and_counts_were_not_measured():
    times = "<countingTimes>1 4 0</countingTimes>"
    (scan,) = read_content(xrdml_of(TWO_THETA + times + "<counts>5 8 0</counts>"))
    np.testing.assert_array_equal(scan.intensity, [5, 2, np.nan])


def test_xrdml_names_of_samples_may_be_in_shift_jis():
    text = xrdml_of(TWO_THETA + "<counts>5 6 8</counts>").replace(
        "<xrdMeasurement>", "<sample><id>試料</id></sample><xrdMeasurement>", 1
    )
    text = text.replace('version="1.0"?', 'version="1.0" encoding="Shift_JIS"?')
    assert read_content(text.encode("cp932"))[0].metadata["sample"] == "試料"


def test_xrdml_units_are_converted_or_refused():
    radian = TWO_THETA.replace('"deg"', '"rad"').replace(">10<", ">0.1<").replace(">12<", ">0.2<")
    text = xrdml_of(radian + "<counts>5 6 7</counts>")
    text = text.replace('kAlpha1 unit="Angstrom">1.5406', 'kAlpha1 unit="nm">0.15406')
    (scan,) = read_content(text)
    np.testing.assert_allclose(scan.positions, np.degrees([0.1, 0.15, 0.2]))
    assert scan.metadata["wavelength"] == pytest.approx(1.5406)
    with pytest.raises(FormatError, match="angle in 'mm'"):
        read_content(xrdml_of(TWO_THETA.replace('"deg"', '"mm"') + "<counts>5 6 7</counts>"))
