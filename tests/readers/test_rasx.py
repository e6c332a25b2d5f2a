"""Reader of RASX."""

import numpy as np
import pytest

from vendor_content import make_rasx, read_content
from xrdae.errors import FormatError

pytest.importorskip("defusedxml")


def test_rasx_intensities_are_multiplied_by_the_attenuator_factor():
    (scan,) = read_content(make_rasx("10\t5\t1\r\n11\t6\t100\r\n"))
    np.testing.assert_array_equal(scan.positions, [10, 11])
    np.testing.assert_array_equal(scan.intensity, [5, 600])
    assert (scan.units, scan.metadata) == ("counts", {"counting_time": 3})
    (scan,) = read_content(make_rasx("10 5 1\n11 6 1\n", unit="cps"))
    assert scan.units == "counts/s"


def test_rasx_scans_are_in_the_order_of_their_numbers():
    scans = read_content(make_rasx(*(f"10 {i} 1\n11 {i} 1\n" for i in range(12))))
    assert [scan.intensity[0] for scan in scans] == list(range(12))


def test_rasx_metadata_have_fixed_axes_only():
    axes = "".join(
        f'<Axis Name="{name}" Unit="{unit}" Position="{position}" State="{state}"/>'
        for name, unit, position, state in (
            ("Omega", "deg", 5, "Scan"),
            ("Chi", "deg", 6, "Fixed"),
            ("Phi", "deg", 0, "Oscillation"),
            ("Temp", "C", 100, "Fixed"),
            ("Z", "mm", "None", "Fixed"),
        )
    )
    profile = "10 5 1\n11 6 1\n"
    said = read_content(make_rasx(profile, axes=axes, axis="TwoTheta"))[0].metadata
    assert said == {"counting_time": 3, "omega": 5, "chi": 6, "temperature": 373.15}
    assert "omega" not in read_content(make_rasx(profile, axes=axes))[0].metadata


def test_rasx_without_patterns_is_refused():
    with pytest.raises(FormatError, match="scans over Phi only"):
        read_content(make_rasx("10 5 1\n11 6 1\n", axis="Phi"))
    with pytest.raises(FormatError, match="profiles are no numbers"):
        read_content(make_rasx("10 5 1\n11 6\n"))
    with pytest.raises(FormatError, match="shape"):
        read_content(make_rasx("\n"))
