import contextlib
import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xrdae.errors import FormatError
from xrdae.readers import brml, bruker_raw, data_file, pdcif, rasx, rigaku_raw, xml, xrdml
from xrdae.readers.data_file import DataFile

pytest.importorskip("defusedxml")
pytest.importorskip("gemmi")

READERS = (brml, bruker_raw, pdcif, rasx, rigaku_raw, xrdml)

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


# --- real files


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
    scans = read(real_data(f"formats/{name}").read_bytes(), name)
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
    for scan in read(real_data(f"formats/{name}").read_bytes(), name):
        assert scan.metadata["wavelength"] == pytest.approx(1.5406, abs=1e-4)
        assert scan.metadata["counting_time"] > 0
        assert scan.errors is None


def test_headers_of_real_files_are_read(real_data):
    def of(name):
        return read(real_data(f"formats/{name}").read_bytes(), name)[0].metadata

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
    scans = read(real_data(name).read_bytes())
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


# --- XML


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b"<!DOCTYPE a><a/>",
    ],
)
def test_entities_and_document_types_are_refused(content):
    with pytest.raises(FormatError, match="document type or entities"):
        xml.parse(content)


@pytest.mark.parametrize("content", [b"", b"<a>", b"\xff\xff", b'<?xml encoding="no"?><a/>'])
def test_damaged_xml_is_refused(content):
    with pytest.raises(FormatError, match="XML is damaged"):
        xml.parse(content)


# --- XRDML

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
    (counts,) = read(xrdml_of(TWO_THETA + factors + "<counts>5 6 7</counts>"))
    (intensities,) = read(xrdml_of(TWO_THETA + factors + "<intensities>5 60 7</intensities>"))
    np.testing.assert_array_equal(counts.intensity, [5, 60, 7])
    np.testing.assert_array_equal(intensities.intensity, [5, 60, 7])
    common = "<commonBeamAttenuationFactor>2</commonBeamAttenuationFactor>"
    (scan,) = read(xrdml_of(TWO_THETA + common + "<counts>5 6 7</counts>"))
    np.testing.assert_array_equal(scan.intensity, [10, 12, 14])
    assert scan.units == "counts"
    np.testing.assert_array_equal(scan.positions, [10, 11, 12])


def test_xrdml_positions_may_be_listed_and_outlast_an_aborted_scan():
    listed = (
        r'<positions axis="2\theta"><listPositions>1 2 4 8</listPositions></positions>'
        "<counts>5 6 7</counts>"
    )
    (scan,) = read(xrdml_of(listed))
    np.testing.assert_array_equal(scan.positions, [1, 2, 4])
    with pytest.raises(FormatError, match="4 positions for 5 intensities"):
        read(xrdml_of(listed.replace("5 6 7", "5 6 7 8 9")))


def test_xrdml_scans_over_other_axes_are_refused_or_left_out():
    rocking = TWO_THETA.replace("2Theta", "Omega") + "<counts>1 2 3</counts>"
    with pytest.raises(FormatError, match="patterns are scans over 2Theta"):
        read(xrdml_of(rocking))
    assert len(read(xrdml_of(rocking, TWO_THETA + "<counts>1 2 3</counts>"))) == 1
    still = '<positions axis="2Theta"><commonPosition>30</commonPosition></positions>'
    with pytest.raises(FormatError, match="patterns are scans over 2Theta"):
        read(xrdml_of(still + rocking))
    with pytest.raises(FormatError, match="no scan with intensities"):
        read(xrdml_of(TWO_THETA))


@pytest.mark.parametrize(("unit", "kelvin"), [("K", 300.0), ("°C", 573.15), ("C", 573.15)])
def test_xrdml_temperatures_become_one_in_kelvin(unit, kelvin):
    after = (
        f'<nonAmbientPoints type="Temperature" unit="{unit}">'
        "<nonAmbientValues>299 301</nonAmbientValues></nonAmbientPoints>"
    )
    times = "<countingTimes>1 2 3</countingTimes>"
    (scan,) = read(xrdml_of(TWO_THETA + times + "<counts>1 2 3</counts>", after=after))
    assert scan.metadata["temperature"] == pytest.approx(kelvin)
    assert scan.metadata["counting_time"] == 2


def test_xrdml_states_the_line_that_was_used_and_no_zero():
    said = read(xrdml_of(TWO_THETA + "<counts>1 2 3</counts>"))[0].metadata
    assert said == {"wavelength": 1.5406}
    beta = xrdml_of(TWO_THETA + "<counts>1 2 3</counts>", intended="K-Beta")
    assert read(beta)[0].metadata == {"wavelength": 1.3922}


def test_xrdml_with_broken_numbers_is_refused():
    with pytest.raises(FormatError, match="counts are no numbers"):
        read(xrdml_of(TWO_THETA + "<counts>1 2 x</counts>"))
    factors = "<beamAttenuationFactors>1 10</beamAttenuationFactors>"
    with pytest.raises(FormatError, match="2 beamAttenuationFactors for 3 counts"):
        read(xrdml_of(TWO_THETA + factors + "<counts>1 2 3</counts>"))


# --- Bruker RAW


def raw_1(*ranges):
    content = b""
    for i, counts in enumerate(ranges):
        header = bytearray(148)
        struct.pack_into("<Iff", header, 0, len(counts), 2.0, 0.5)
        struct.pack_into("<f", header, 20, 10.0)
        struct.pack_into("<32sff", header, 36, b"quartz", 1.5, 0.0)
        more = struct.pack("<I", i + 1 < len(ranges))
        content += (b"RAW " if i < 2 else b"") + bytes(header) + more
        content += np.array(counts, "<f4").tobytes()
    return content


def raw_3(
    *,
    scan_type=0,
    varying=0,
    step=0.5,
    extra=0,
    points=((1.0,), (2.0,), (3.0,)),
    n=None,
    still=(1, 2, 3, 4, 5),
):
    header = bytearray(712)
    header[:8], header[16:34] = b"RAW1.01\0", b"06/12/08\0\x0010:27:58"
    struct.pack_into("<I", header, 12, 1)
    struct.pack_into("<5d", header, 616, 1.5418, 1.5406, 1.5444, 1.3922, 0.5)
    part = bytearray(304)
    struct.pack_into("<II7d", part, 0, 304, n or len(points), 4.0, 10.0, *still)
    struct.pack_into("<ddfI", part, 176, step, 0, 2.5, scan_type)
    struct.pack_into("<f", part, 212, 350.0)
    record = 4 + 8 * (len(points[0]) - 1)
    struct.pack_into("<III", part, 248, varying, record, extra)
    form = "<f" + "d" * (len(points[0]) - 1)
    return bytes(header + part) + bytes(extra) + b"".join(struct.pack(form, *p) for p in points)


def raw_4(*ranges, scan_type=b"Locked Coupled", drives=((b"2Theta", 2, 10.0),), record=4):
    content = bytearray(61)
    content[:8], content[12:34] = b"RAW4.00\0", b"07/11/2018\0\x0015:55:31\0\0"
    content += struct.pack("<III24s", 10, 42, 0, b"SAMPLEID") + b"quartz"
    source = bytearray(120)
    struct.pack_into("<II", source, 0, 30, 120)
    struct.pack_into("<4d", source, 80, 1.5406, 1.5444, 1.3922, 0.5)
    content += source
    for counts in ranges:
        header = bytearray(160)
        header[32 : 32 + len(scan_type)] = scan_type
        struct.pack_into("<ddIf", header, 72, 10.0, 0.5, len(counts), 77.9)
        struct.pack_into("<II", header, 136, record, 64 * len(drives))
        content += header
        for name, moves, start in drives:
            segment = struct.pack("<III24s20xd", 50, 64, moves, name, start)
            content += segment
        for count in counts:
            content += struct.pack("<f", count) + b"\x01" * (record - 4)
    return bytes(content)


def test_raw_1_ranges_follow_each_other_with_and_without_the_magic():
    scans = read(raw_1([1, 2, 3], [4, 5], [6, 7]))
    assert [scan.intensity.tolist() for scan in scans] == [[1, 2, 3], [4, 5], [6, 7]]
    np.testing.assert_array_equal(scans[0].positions, [10, 10.5, 11])
    assert scans[0].metadata == {"wavelength": 1.5, "counting_time": 2, "sample": "quartz"}


def test_raw_3_ranges_may_have_extra_records_and_measured_positions():
    (scan,) = read(raw_3(extra=40))
    np.testing.assert_array_equal(scan.positions, [10, 10.5, 11])
    np.testing.assert_array_equal(scan.intensity, [1, 2, 3])
    assert scan.metadata["temperature"] == 350
    assert scan.metadata["time"] == "2008-06-12T10:27:58"
    assert "omega" not in scan.metadata
    (scan,) = read(raw_3(varying=1 + 2**11, points=((5, 10.1, 300), (6, 10.7, 301))))
    np.testing.assert_array_equal(scan.positions, [10.1, 10.7])
    np.testing.assert_array_equal(scan.intensity, [5, 6])
    (scan,) = read(raw_3(varying=2**11, points=((5, 300), (6, 301))))
    np.testing.assert_array_equal(scan.positions, [10, 10.5])


def test_raw_3_axes_that_are_not_there_are_not_stated():
    said = read(raw_3())[0].metadata
    assert [said[name] for name in ("chi", "phi", "x", "y", "z")] == [1, 2, 3, 4, 5]
    for missing in (9999, -9999, 9998):
        said = read(raw_3(still=[missing] * 5))[0].metadata
        assert not {"chi", "phi", "x", "y", "z"} & set(said)
    assert read(raw_3(still=(0, 400, 0, 0, 400)))[0].metadata.keys() >= {"chi", "x", "y", "z"}
    assert "phi" not in read(raw_3(still=(0, 400, 0, 0, 400)))[0].metadata


def test_raw_3_detector_scans_have_an_omega_and_rocking_curves_are_refused():
    assert read(raw_3(scan_type=2))[0].metadata["omega"] == 4
    with pytest.raises(FormatError, match="no range over 2theta"):
        read(raw_3(scan_type=3))


@pytest.mark.parametrize("record", [4, 8, 12])
def test_raw_4_points_are_as_long_as_the_range_says(record):
    scans = read(raw_4([1, 2, 3], [4, 5], record=record) + bytes(200))
    assert [scan.intensity.tolist() for scan in scans] == [[1, 2, 3], [4, 5]]
    np.testing.assert_array_equal(scans[0].positions, [10, 10.5, 11])
    assert scans[0].metadata["sample"] == "quartz"
    assert scans[0].metadata["wavelength"] == 1.5406


def test_raw_4_patterns_are_ranges_whose_2theta_starts_where_the_steps_start():
    drives = ((b"2Theta", 0, 40.0), (b"Theta", 2, 10.0))
    with pytest.raises(FormatError, match="no range over 2theta"):
        read(raw_4([1, 2, 3], scan_type=b"Rocking Curve", drives=drives))
    with pytest.raises(FormatError, match="no range over 2theta"):
        read(raw_4([1, 2, 3], drives=drives))
    drives = ((b"2Theta", 2, 10.0), (b"Theta", 0, 1.5), (b"Chi", 0, 3.0))
    (scan,) = read(raw_4([1, 2, 3], scan_type=b"Detector Scan", drives=drives))
    assert (scan.metadata["omega"], scan.metadata["chi"]) == (1.5, 3)


@pytest.mark.parametrize(
    "content",
    [raw_1([1, 2, 3]), raw_3(), raw_4([1, 2, 3], record=8), b"RAW2\x01\0" + bytes(300)],
    ids="1342",
)
def test_raw_cut_anywhere_is_refused(content):
    for end in range(8, len(content)):
        with pytest.raises(FormatError):
            read(content[:end] if b"\0" in content[:end] else content[:end] + b"\0")


def test_raw_headers_that_cannot_be_are_refused():
    with pytest.raises(FormatError, match="in steps of nan"):
        read(raw_3(step=float("nan")))
    with pytest.raises(FormatError, match="4294967295 points"):
        read(raw_3(n=2**32 - 1))


def test_text_that_begins_like_raw_is_somebody_elses():
    file = DataFile(Path("a.raw"), b"RAW data of Monday\n1 2\n3 4\n")
    assert not any(reader.is_mine(file) for reader in READERS)


def test_rigaku_raw_is_refused_with_a_format_to_export():
    with pytest.raises(FormatError, match=r"export it as \.ras"):
        read(b"FI\0\0" + bytes(100), "a.raw")


# --- BRML


def brml_of(*routes, instrument="", name="Experiment0/RawData{}.xml"):
    members = {
        name.format(i): (
            '<RawData xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
            f"<DataRoutes>{route}</DataRoutes>"
            f"<FixedInformation>{instrument}</FixedInformation></RawData>"
        )
        for i, route in enumerate(routes)
    }
    container = '<DataContainer><MeasurementInfo SampleName="quartz"/></DataContainer>'
    return archive(**{"Experiment0/DataContainer.xml": container, **members})


def route(rows, *, axes=("TwoTheta", "Theta"), flag="Measured", length=1, scan="", extra=""):
    fields = "".join(f'<FieldDefinitions FieldName="{a}" AxisId="{a}"/>' for a in axes)
    data = "".join(f"<Datum>{','.join(map(str, row))}</Datum>" for row in rows)
    start = 2 + len(axes)
    return (
        f'<DataRoute RouteFlag="{flag}"><ScanInformation ScanName="a">{scan}</ScanInformation>'
        f'{data}<DataViews><RawDataView xsi:type="FixedRawDataView" Start="0" Length="1" '
        'LogicName="MeasuredTime"/><RawDataView xsi:type="VaryingRawDataView" Start="2" '
        f'Length="{len(axes)}"><Varying>{fields}</Varying></RawDataView>{extra}'
        f'<RawDataView xsi:type="RecordedRawDataView" Start="{start}" Length="{length}">'
        '<Recording><Unit Base="Counts"/><BlankingValue>-9999</BlankingValue></Recording>'
        "</RawDataView></DataViews></DataRoute>"
    )


def test_brml_columns_are_found_by_their_declaration():
    swapped = route([(3, 1, 5, 10, 70), (3, 8, 6, 12, -9999)], axes=("Theta", "TwoTheta"))
    first, second = read(brml_of(swapped, route([(1, 1, 20, 10, 5), (1, 1, 21, 11, 6)])))
    np.testing.assert_array_equal(first.positions, [10, 12])
    np.testing.assert_array_equal(first.intensity, [70, np.nan])
    assert first.metadata == {"sample": "quartz", "counting_time": 3}
    np.testing.assert_array_equal(second.intensity, [5, 6])


def test_brml_takes_the_measured_route():
    processed = route([(1, 1, 10, 5, 0), (1, 1, 11, 5, 0)], flag="Processed")
    measured = route([(1, 1, 10, 5, 7), (1, 1, 11, 5, 8)])
    (scan,) = read(brml_of(processed + measured))
    np.testing.assert_array_equal(scan.intensity, [7, 8])


def test_brml_members_are_in_the_order_of_their_numbers():
    routes = [route([(1, 1, 10, 5, i), (1, 1, 11, 5, i)]) for i in range(12)]
    assert [scan.intensity[0] for scan in read(brml_of(*routes))] == list(range(12))


def test_brml_temperatures_are_recorded_with_the_counts():
    view = (
        '<RawDataView xsi:type="RecordedRawDataView" Start="5" Length="1"><Recording '
        'LogicName="modeActualTemp"><Unit Base="Celsius"/></Recording></RawDataView>'
    )
    rows = [(1, 1, 10, 5, 7, 25), (1, 1, 11, 5, 8, 27)]
    (scan,) = read(brml_of(route(rows, extra=view)))
    assert scan.metadata["temperature"] == pytest.approx(299.15)
    np.testing.assert_array_equal(scan.intensity, [7, 8])


def test_brml_detector_that_stood_still_is_a_pattern_and_a_moving_one_is_refused():
    axis = (
        '<ScaleAxes><ScaleAxisInfo AxisId="TwoTheta"><Reference>30</Reference><Start>-1</Start>'
        "<Stop>1</Stop><Increment>0.5</Increment></ScaleAxisInfo></ScaleAxes>"
    )
    (scan,) = read(brml_of(route([(1, 1, 3, 4, 5, 6, 7)], axes=(), length=5, scan=axis)))
    np.testing.assert_array_equal(scan.positions, [29, 29.5, 30, 30.5, 31])
    np.testing.assert_array_equal(scan.intensity, [3, 4, 5, 6, 7])
    frames = route([(1, 1, 10, 5, 1, 2), (1, 1, 11, 6, 1, 2)], length=2)
    with pytest.raises(FormatError, match="detector frame of 2 channels"):
        read(brml_of(frames))


def test_brml_without_patterns_is_refused():
    with pytest.raises(FormatError, match="no scan over 2theta, only: a"):
        read(brml_of(route([(1, 1, 5, 1), (1, 1, 6, 1)], axes=("Phi",))))
    with pytest.raises(FormatError, match="data are no numbers"):
        read(brml_of(route([(1, 1, 5, 1, 2), (1, 1, 6)])))
    with pytest.raises(FormatError, match="columns"):
        read(brml_of(route([(1, 1), (1, 1)])))


# --- RASX


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


def test_archives_that_unpack_to_more_than_a_pattern_can_have_are_refused(monkeypatch):
    monkeypatch.setattr(data_file, "MOST_BYTES", 2**20)
    with pytest.raises(FormatError, match="unpacks to more than"):
        read(rasx_of(" " * 2**21))


# --- pdCIF


def loop(*tags, rows):
    return "loop_\n" + "\n".join(tags) + "\n" + "\n".join(rows) + "\n"


def test_pdcif_prefers_processed_items_and_reads_uncertainties():
    tags = ("_pd_meas_2theta_scan", "_pd_proc_2theta_corrected")
    tags += ("_pd_meas_counts_total", "_pd_proc_intensity_total")
    rows = ["10 10.1 5 5540(160)", "11 11.1 6 55.4(16)", "12 12.1 7 1.00(2)e1", "13 13.1 8 ."]
    (scan,) = read("data_a\n" + loop(*tags, rows=rows))
    np.testing.assert_array_equal(scan.positions, [10.1, 11.1, 12.1, 13.1])
    np.testing.assert_allclose(scan.intensity, [5540, 55.4, 10, np.nan])
    np.testing.assert_allclose(scan.errors, [160, 1.6, 0.2, np.nan])
    assert (scan.kind, scan.units, scan.metadata) == ("two_theta", "1", {"title": "a"})


@pytest.mark.parametrize("dot", ["_", "."])
def test_pdcif_is_read_in_both_spellings(dot):
    tags = (f"_pd_proc{dot}d_spacing", f"_pd_proc{dot}intensity_norm")
    rows = ["3.5 1.0 0.1", "2.5 2.0 ?"]
    text = loop(*tags, f"_pd_proc{dot}intensity_norm_su", rows=rows)
    (scan,) = read("# from a program\n\ndata_a\n" + text)
    assert scan.kind == "d"
    np.testing.assert_array_equal(scan.positions, [3.5, 2.5])
    np.testing.assert_array_equal(scan.errors, [0.1, np.nan])
    (scan,) = read("DATA_a\n" + loop(f"_pd_proc{dot}recip_len_Q", tags[1], rows=["1 2", "2 3"]))
    assert scan.kind == "q"


def test_pdcif_positions_may_be_a_range_with_a_rounded_step():
    text = "data_a\n_pd_meas_2theta_range_min 10\n_pd_meas_2theta_range_max 10.5(0)\n"
    counts = loop("_pd_meas_counts_total", rows=["1", "2", "3", "4"])
    (scan,) = read(text + "_pd_meas_2theta_range_inc 0.167\n" + counts)
    np.testing.assert_allclose(scan.positions, np.linspace(10, 10.5, 4))
    assert scan.units == "counts"
    assert scan.errors is None
    with pytest.raises(FormatError, match=r"4 intensities for 2theta from 10 to 10.5 in steps of"):
        read(text + "_pd_meas_2theta_range_inc 0.1\n" + counts)


def test_pdcif_points_without_position_are_left_out():
    tags = ("_pd_meas_2theta_scan", "_pd_meas_intensity_total")
    (scan,) = read("data_a\n" + loop(*tags, rows=["10 1", ". 2", "12 3"]))
    np.testing.assert_array_equal(scan.intensity, [1, 3])


def test_pdcif_wavelengths_are_those_of_the_strongest_line():
    pattern = loop("_pd_meas_2theta_scan", "_pd_meas_counts_total", rows=["10 1", "11 2"])
    stem = "_diffrn_radiation_wavelength"
    doublet = loop(stem, f"{stem}_id", f"{stem}_wt", rows=["1.5444 2 0.5", "1.5406 1 1.0"])
    said = read(f"data_a\n{pattern}{doublet}")[0].metadata
    assert said == {
        "title": "a",
        "wavelength": 1.5406,
        "k_alpha_2": 1.5444,
        "k_alpha_ratio": 0.5,
    }
    neutrons = f"{stem}.value 4.5\n_diffrn_ambient_temperature 10(1)\n"
    said = read(f"data_a\n{neutrons}{pattern}")[0].metadata
    assert said == {"title": "a", "wavelength": 4.5, "temperature": 10}
    elsewhere = read(f"data_source\n{neutrons}\ndata_a\n{pattern}")[0].metadata
    assert elsewhere == {"title": "a", "wavelength": 4.5}


def test_each_pdcif_block_is_a_pattern():
    tags = ("_pd_meas_2theta_scan", "_pd_meas_counts_total")
    text = "".join(f"data_{i}\n" + loop(*tags, rows=[f"10 {i}", f"11 {i}"]) for i in range(3))
    scans = read(text + "data_structure\n_cell_length_a 5\n")
    assert [scan.metadata["title"] for scan in scans] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (loop("_atom_site_label", "_atom_site_fract_x", rows=["O 0"]), "crystal structure"),
        ("_cell_length_a 5\n", "no measured powder pattern"),
        (loop("_pd_meas_counts_total", rows=["1", "2"]), "no positions"),
        (
            loop("_pd_meas_time_of_flight", "_pd_meas_counts_total", rows=["9 1", "10 2"]),
            "time of flight",
        ),
        ("loop_\n_a\n_b\n1\n", "it is no CIF"),
    ],
)
def test_cif_without_a_pattern_is_refused(text, reason):
    with pytest.raises(FormatError, match=reason):
        read("data_a\n" + text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="data_loop_pd_meas.2theta ().?'\";#\n\t0123456789eE+-\\", max_size=300))
def test_any_text_after_a_block_name_is_read_or_refused(text):
    file = DataFile(Path("a.cif"), ("data_a\n_b 1\n" + text).encode())
    with contextlib.suppress(FormatError):
        pdcif.read_scans(file)
