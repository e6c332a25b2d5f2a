"""Bruker BRML: a zip archive of XML, one `RawData` member a scan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from xrdae.errors import FormatError
from xrdae.readers.counting_times import divide_by_times
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import parse_number, select_possible
from xrdae.readers.scan import Scan
from xrdae.readers.xml import Float, parse, parse_numbers, read_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_RAW_DATA = re.compile(
    r"(?P<folder>Experiment(?P<experiment>\d{1,9}))/RawData(?P<raw>\d{1,9})\.xml"
)
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


def is_mine(file: DataFile) -> bool:
    """Tell whether a zip archive has members as DIFFRAC.MEASUREMENT writes them."""
    return any(_RAW_DATA.fullmatch(name) for name in file.members)


def read_scans(file: DataFile) -> list[Scan]:
    """Return the scans over 2theta, in the order of their numbers.

    Columns are found by their declaration (`DataViews`). Intensities are counts, stored multiplied
    by the absorption factor already, or counts per second if the time of a step varies. The file
    states no uncertainty. Scans over other axes beside one over 2theta are left out.

    Raises
    ------
    FormatError
        If it is damaged, holds detector frames, or no scan over 2theta.
    """
    found = [match for name in file.members if (match := _RAW_DATA.fullmatch(name))]
    found.sort(key=lambda match: (int(match["experiment"]), int(match["raw"])))
    containers: dict[str, dict[str, float | str]] = {}
    scans, other = [], set()
    for match in found:
        folder = match["folder"]
        if folder not in containers:
            containers[folder] = _read_container(file, f"{folder}/DataContainer.xml")
        root = parse(file.member(match[0]))
        routes = root.findall("DataRoutes/DataRoute")
        measured = [route for route in routes if route.get("RouteFlag") == "Measured"]
        for route in (measured or routes)[:1]:
            scan = _read_scan(route, {**containers[folder], **_read_header(root, route)})
            if scan is None:
                information = route.find("ScanInformation")
                other.add("" if information is None else information.get("ScanName", ""))
            else:
                scans.append(scan)
    if not scans:
        raise FormatError(
            f"it holds no scan over 2theta, only: {', '.join(sorted(other)) or 'nothing measured'}"
        )
    return scans


def _read_scan(route: Element, header: dict[str, float | str]) -> Scan | None:
    """Return the pattern of a route; None if it is over another axis or was not measured."""
    rows = parse_numbers([(d.text or "").split(",") for d in route.iterfind("Datum")], "data")
    recorded = [v for v in route.iterfind("DataViews/RawDataView") if _is_of_kind(v, "Recorded")]
    counters = [v for v in recorded if _read_unit(v) == "Counts"] or recorded[:1]
    if rows.ndim != 2 or not counters:
        return None
    counts = _find_columns(rows, counters[0])
    if counts.shape[1] == 1:
        two_theta, intensity = _find_two_theta(route, rows), counts[:, 0]
    elif len(counts) == 1:
        two_theta, intensity = _find_channels(route, counts.shape[1]), counts[0]
    else:
        raise FormatError(
            f"each of its {len(rows)} steps is a detector frame of {counts.shape[1]} channels; "
            "integrate them, for example in DIFFRAC.EVA, and export .xy"
        )
    if two_theta is None:
        return None
    blank = parse_number(read_text(counters[0], "Recording/BlankingValue"))
    intensity = np.where(intensity == blank, np.nan, intensity)
    intensity, units, time = divide_by_times(intensity, _read_times(route, rows), "counts")
    said = {**header, **_read_recorded_header(rows, recorded, time)}
    if units != "counts":
        said.pop("counting_time", None)  # the planned one
    return Scan("two_theta", two_theta, intensity, units=units, metadata=said)


def _read_times(route: Element, rows: Float) -> Float:
    """Return the time of each step [s]; empty if it was not recorded."""
    views = route.iterfind("DataViews/RawDataView")
    timed = [view for view in views if view.get("LogicName") == "MeasuredTime"]
    return _find_columns(rows, timed[-1])[:, 0] if timed else rows[:0, 0]


def _is_of_kind(view: Element, kind: str) -> bool:
    return view.get(_TYPE, "") == f"{kind}RawDataView"


def _read_unit(view: Element) -> str:
    unit = view.find("Recording/Unit")
    return "" if unit is None else unit.get("Base", "")


def _find_columns(rows: Float, view: Element) -> Float:
    """Return the columns of a view, `(point, column)`, at least one."""
    start, length = parse_number(view.get("Start")), parse_number(view.get("Length"))
    if start is None or length is None or not 0 <= start < start + length <= rows.shape[1]:
        raise FormatError(
            f"its columns {start} to {start} + {length} are declared, it has {rows.shape[1]}"
        )
    return rows[:, int(start) : int(start) + int(length)]


def _find_two_theta(route: Element, rows: Float) -> Float | None:
    for view in route.iterfind("DataViews/RawDataView"):
        names = [d.get("AxisId") or d.get("FieldName") for d in view.iter("FieldDefinitions")]
        if _is_of_kind(view, "Varying") and "TwoTheta" in names:
            columns = _find_columns(rows, view)
            if len(names) > columns.shape[1]:
                raise FormatError(f"it names {len(names)} axes in {columns.shape[1]} columns")
            return columns[:, names.index("TwoTheta")]
    return None


def _find_channels(route: Element, n: int) -> Float | None:
    """Return the positions of the n channels of a detector that stood still."""
    for axis in route.iterfind("ScanInformation/*/*[@AxisId='TwoTheta']"):
        words = ("Start", "Stop", "Increment", "Reference")
        start, stop, step, reference = (parse_number(read_text(axis, word)) for word in words)
        if start is None or stop is None or not step:
            continue
        if abs(abs((stop - start) / step) - (n - 0.5)) < 1:  # channels counted, or their borders
            step = abs(step) if stop > start else -abs(step)
            return start + (reference or 0.0) + step * np.arange(n, dtype=np.float64)
    return None


def _read_container(file: DataFile, name: str) -> dict[str, float | str]:
    if name not in file.members:
        return {}
    root = parse(file.member(name))
    measurement = root.find("MeasurementInfo")
    return select_possible(
        sample="" if measurement is None else measurement.get("SampleName", ""),
        instrument=read_text(root, ".//InstrumentName"),
    )


def _read_header(root: Element, route: Element) -> dict[str, float | str]:
    def value(path: str) -> float | None:
        element = root.find(f"FixedInformation//{path}")
        return None if element is None else parse_number(element.get("Value"))

    drives = root.iterfind("FixedInformation/Drives/InfoData")
    fixed = {drive.get("AxisId", "").lower(): drive.find("Position") for drive in drives}
    still = {name: parse_number(p.get("Value")) for name, p in fixed.items() if p is not None}
    information = route.find("ScanInformation")
    return select_possible(
        wavelength=value("WaveLengthAlpha1"),
        k_alpha_2=value("WaveLengthAlpha2"),
        k_alpha_ratio=value("WaveLengthRatio"),
        anode=read_text(root, "FixedInformation//TubeMaterial"),
        voltage=value("Generator/Voltage"),
        current=value("Generator/Current"),
        time=read_text(root, "TimeStampStarted"),
        counting_time=parse_number(read_text(information, "TimePerStepEffective")),
        omega=still.get("theta"),
        **{name: still.get(name) for name in ("chi", "phi", "x", "y", "z")},
    )


def _read_recorded_header(
    rows: Float, recorded: list[Element], time: float | None
) -> dict[str, float | str]:
    """Return the time of a step [s] and the mean temperature [K], recorded with every step."""
    temperature = None
    for view in recorded:
        zero = {"kelvin": 0.0, "celsius": 273.15, "degreecelsius": 273.15}.get(
            _read_unit(view).lower()
        )
        if zero is not None and temperature is None:
            temperature = float(_find_columns(rows, view).mean()) + zero
    return select_possible(counting_time=time, temperature=temperature)
