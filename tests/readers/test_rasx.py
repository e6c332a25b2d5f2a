"""Reader of RASX."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from xrdae.errors import FormatError
from xrdae.readers import brml, bruker_raw, pdcif, rasx, rigaku_raw, xrdml
from xrdae.readers.data_file import DataFile

pytest.importorskip("defusedxml")

READERS = (brml, bruker_raw, pdcif, rasx, rigaku_raw, xrdml)


def read(content, name="a.dat"):
    file = DataFile(Path(name), content if isinstance(content, bytes) else content.encode())
    (reader,) = (reader for reader in READERS if reader.is_mine(file))
    return reader.read_scans(file)


def archive(**members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return stream.getvalue()


def conditions(axis="TwoThetaTheta", unit="counts", axes=""):
    return (
        f"<MeasurementConditions><ScanInformation><AxisName>{axis}</AxisName>"
        f"<IntensityUnit>{unit}</IntensityUnit><Speed>2</Speed><Step>0.1</Step>"
        f"<SpeedUnit>deg/min</SpeedUnit></ScanInformation><Axes>{axes}</Axes>"
        "</MeasurementConditions>"
    )


def rasx_of(*profiles, **settings):
    members = {}
    for i, profile in enumerate(profiles):
        members[f"Data{i}/Profile{i}.txt"] = "\ufeff" + profile
        members[f"Data{i}/MesurementConditions{i}.xml"] = conditions(**settings)
    return archive(**members)


def test_rasx_intensities_are_multiplied_by_the_attenuator_factor():
    (scan,) = read(rasx_of("10\t5\t1\r\n11\t6\t100\r\n"))
    np.testing.assert_array_equal(scan.positions, [10, 11])
    np.testing.assert_array_equal(scan.intensity, [5, 600])
    assert (scan.units, scan.metadata) == ("counts", {"counting_time": 3})
    (scan,) = read(rasx_of("10 5 1\n11 6 1\n", unit="cps"))
    assert scan.units == "counts/s"


def test_rasx_scans_are_in_the_order_of_their_numbers():
    scans = read(rasx_of(*(f"10 {i} 1\n11 {i} 1\n" for i in range(12))))
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
    said = read(rasx_of(profile, axes=axes, axis="TwoTheta"))[0].metadata
    assert said == {"counting_time": 3, "omega": 5, "chi": 6, "temperature": 373.15}
    assert "omega" not in read(rasx_of(profile, axes=axes))[0].metadata


def test_rasx_without_patterns_is_refused():
    with pytest.raises(FormatError, match="scans over Phi only"):
        read(rasx_of("10 5 1\n11 6 1\n", axis="Phi"))
    with pytest.raises(FormatError, match="profiles are no numbers"):
        read(rasx_of("10 5 1\n11 6\n"))
    with pytest.raises(FormatError, match="shape"):
        read(rasx_of("\n"))
