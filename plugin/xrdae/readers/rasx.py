"""Rigaku RASX: a zip archive of profiles (text) and measurement conditions (XML)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import find_counting_time, parse_number, select_possible
from xrdae.readers.ras import INTENSITY_UNITS, find_scan_axis
from xrdae.readers.scan import Scan
from xrdae.readers.xml import Float, parse, parse_numbers, read_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_PROFILE = re.compile(r"(?P<folder>Data(?P<data>\d{1,9}))/Profile(?P<profile>\d{1,9})\.txt")


def is_mine(file: DataFile) -> bool:
    """Tell whether a zip archive has profiles as SmartLab Studio stores them."""
    return any(_PROFILE.fullmatch(name) for name in file.members)


def read_scans(file: DataFile) -> list[Scan]:
    """Return the scans over 2theta, in the order of their numbers.

    A profile has three columns: position, intensity, attenuator factor. The last two are
    multiplied. The file states no uncertainty. Scans over other axes beside one over 2theta are
    left out.

    Raises
    ------
    FormatError
        If it is damaged or holds no scan over 2theta.
    """
    found = [match for name in file.members if (match := _PROFILE.fullmatch(name))]
    found.sort(key=lambda match: (int(match["data"]), int(match["profile"])))
    scans, other = [], set()
    for match in found:
        name = f"{match['folder']}/MesurementConditions{match['profile']}.xml"  # sic
        conditions = parse(file.member(name)) if name in file.members else None
        axis = read_text(conditions, "ScanInformation/AxisName") or "TwoTheta"
        moving = find_scan_axis(axis)
        if moving is None:
            other.add(axis)
            continue
        rows = _read_profile(file.member(match[0]))
        unit = read_text(conditions, "ScanInformation/IntensityUnit")
        scans.append(
            Scan(
                "two_theta",
                rows[:, 0],
                rows[:, 1] * rows[:, 2] if rows.shape[1] > 2 else rows[:, 1],
                units=INTENSITY_UNITS.get(unit.lower(), "1"),
                metadata={} if conditions is None else _read_metadata(conditions, moving),
            )
        )
    if not scans:
        raise FormatError(
            f"it holds scans over {', '.join(sorted(other))} only; patterns are scans over TwoTheta"
        )
    return scans


def _read_profile(content: bytes) -> Float:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"its profile is no text: {error}") from error
    rows = parse_numbers([line.split() for line in text.splitlines() if line.strip()], "profiles")
    if rows.ndim != 2 or rows.shape[1] < 2:
        raise FormatError(f"its profile has the shape {rows.shape}; (point, 3) is read")
    return rows


def _read_metadata(conditions: Element, moving: str) -> dict[str, float | str]:
    scan = conditions.find("ScanInformation")
    generator = conditions.find("HWConfigurations/XrayGenerator")
    still = {
        element.get("Name", "").lower(): parse_number(element.get("Position"))
        for element in conditions.iterfind("Axes/Axis")
        if element.get("State") != "Oscillation"
    }
    still.pop(moving, None)
    beta = read_text(generator, "WaveType").lower().startswith("kb")
    return select_possible(
        wavelength=parse_number(
            read_text(generator, "WavelengthKbeta" if beta else "WavelengthKalpha1")
        ),
        k_alpha_2=None if beta else parse_number(read_text(generator, "WavelengthKalpha2")),
        anode=read_text(generator, "TargetName"),
        voltage=parse_number(read_text(generator, "Voltage")),
        current=parse_number(read_text(generator, "Current")),
        sample=read_text(conditions, "GeneralInformation/SampleName"),
        instrument=read_text(conditions, "GeneralInformation/SystemName"),
        time=read_text(scan, "StartTime"),
        counting_time=find_counting_time(
            parse_number(read_text(scan, "Speed")),
            read_text(scan, "SpeedUnit"),
            parse_number(read_text(scan, "Step")),
        ),
        temperature=_find_temperature(conditions),
        **{name: still.get(name) for name in ("omega", "chi", "phi", "x", "y", "z")},
    )


def _find_temperature(conditions: Element) -> float | None:
    """Return the temperature [K] that the sample stage was set to."""
    stage = conditions.find("Axes/Axis[@Name='Temp']")
    value = None if stage is None else parse_number(stage.get("Position"))
    if stage is None or value is None:
        return None
    return {"C": value + 273.15, "K": value}.get(stage.get("Unit", "").lstrip("°"))
