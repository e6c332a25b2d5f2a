"""Reader of BRML."""

import numpy as np
import pytest

from vendor_content import pack_archive, read_content
from xrdae.errors import FormatError

pytest.importorskip("defusedxml")


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
    return pack_archive(**{"Experiment0/DataContainer.xml": container, **members})


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
    first, second = read_content(brml_of(swapped, route([(1, 1, 20, 10, 5), (1, 1, 21, 11, 6)])))
    np.testing.assert_array_equal(first.positions, [10, 12])
    np.testing.assert_array_equal(first.intensity, [70, np.nan])
    assert first.metadata == {"sample": "quartz", "counting_time": 3}
    np.testing.assert_array_equal(second.intensity, [5, 6])


def test_brml_takes_the_measured_route():
    processed = route([(1, 1, 10, 5, 0), (1, 1, 11, 5, 0)], flag="Processed")
    measured = route([(1, 1, 10, 5, 7), (1, 1, 11, 5, 8)])
    (scan,) = read_content(brml_of(processed + measured))
    np.testing.assert_array_equal(scan.intensity, [7, 8])


def test_brml_members_are_in_the_order_of_their_numbers():
    routes = [route([(1, 1, 10, 5, i), (1, 1, 11, 5, i)]) for i in range(12)]
    assert [scan.intensity[0] for scan in read_content(brml_of(*routes))] == list(range(12))


def test_brml_temperatures_are_recorded_with_the_counts():
    view = (
        '<RawDataView xsi:type="RecordedRawDataView" Start="5" Length="1"><Recording '
        'LogicName="modeActualTemp"><Unit Base="Celsius"/></Recording></RawDataView>'
    )
    rows = [(1, 1, 10, 5, 7, 25), (1, 1, 11, 5, 8, 27)]
    (scan,) = read_content(brml_of(route(rows, extra=view)))
    assert scan.metadata["temperature"] == pytest.approx(299.15)
    np.testing.assert_array_equal(scan.intensity, [7, 8])


def test_brml_detector_that_stood_still_is_a_pattern_and_a_moving_one_is_refused():
    axis = (
        '<ScaleAxes><ScaleAxisInfo AxisId="TwoTheta"><Reference>30</Reference><Start>-1</Start>'
        "<Stop>1</Stop><Increment>0.5</Increment></ScaleAxisInfo></ScaleAxes>"
    )
    (scan,) = read_content(brml_of(route([(1, 1, 3, 4, 5, 6, 7)], axes=(), length=5, scan=axis)))
    np.testing.assert_array_equal(scan.positions, [29, 29.5, 30, 30.5, 31])
    np.testing.assert_array_equal(scan.intensity, [3, 4, 5, 6, 7])
    frames = route([(1, 1, 10, 5, 1, 2), (1, 1, 11, 6, 1, 2)], length=2)
    with pytest.raises(FormatError, match="detector frame of 2 channels"):
        read_content(brml_of(frames))


def test_brml_without_patterns_is_refused():
    with pytest.raises(FormatError, match="no scan over 2theta, only: a"):
        read_content(brml_of(route([(1, 1, 5, 1), (1, 1, 6, 1)], axes=("Phi",))))
    with pytest.raises(FormatError, match="data are no numbers"):
        read_content(brml_of(route([(1, 1, 5, 1, 2), (1, 1, 6)])))
    with pytest.raises(FormatError, match="columns"):
        read_content(brml_of(route([(1, 1), (1, 1)])))


def test_brml_counts_are_divided_by_times_that_vary():
    (scan,) = read_content(brml_of(route([(1, 1, 10, 5, 8), (4, 1, 11, 5, 8)])))
    np.testing.assert_array_equal(scan.intensity, [8, 2])
    assert (scan.units, scan.metadata) == ("counts/s", {"sample": "quartz"})
