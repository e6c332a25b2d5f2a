"""PANalytical XRDML, all versions of its schema (http://www.xrdml.com/XRDMeasurement/)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from xrdae.convention.units import parse_units
from xrdae.errors import FormatError
from xrdae.readers.counting_times import divide_by_times
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import parse_number, select_possible
from xrdae.readers.scan import Scan
from xrdae.readers.xml import Float, parse, read_numbers, read_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_ROOT = re.compile(r"<(?:\w{1,40}:)?xrdMeasurements\b")


def is_mine(file: DataFile) -> bool:
    """Tell whether the root element belongs to XRDML."""
    return file.text is not None and _ROOT.search(file.text[:4096]) is not None


def read_scans(file: DataFile) -> list[Scan]:
    """Return the scans over 2theta, in the order of the file.

    Intensities are counts: `<counts>` (schema 2) as the detector gave them are multiplied by the
    beam attenuation factors, `<intensities>` (schema 1) are stored multiplied. They are counts per
    second if the counting time varies within the scan. Factors for the divergence slit are left
    alone. The file states no uncertainty. An aborted scan is as long as
    its intensities; empty ones, and scans over other axes beside one over 2theta, are left out.

    Raises
    ------
    FormatError
        If it is damaged or holds no scan over 2theta.
    """
    root = parse(file.content)
    scans, other = [], set()
    sample = read_text(root, "sample/name") or read_text(root, "sample/id")
    for measurement in root.iter("xrdMeasurement"):
        header = _read_metadata(measurement, sample)
        for element in measurement.iterfind("scan"):
            points = element.find("dataPoints")
            if points is None:
                continue
            intensity = _read_intensity(points)
            if intensity.size < 2:
                continue
            two_theta = _find_two_theta(points, intensity.size)
            if two_theta is None:
                other.add(element.get("scanAxis", "unknown"))
                continue
            intensity, units, time = divide_by_times(
                intensity, _read_times(points), _find_units(points)
            )
            said = {**header, **_read_scan_metadata(element, points, time)}
            scans.append(Scan("two_theta", two_theta, intensity, units=units, metadata=said))
    if not scans:
        raise FormatError(
            f"it holds scans over {', '.join(sorted(other))} only; patterns are scans over 2Theta"
            if other
            else "it holds no scan with intensities"
        )
    return scans


def _read_intensity(points: Element) -> Float:
    counts = points.find("counts")
    if counts is None:
        return read_numbers(points, "intensities")
    intensity = read_numbers(points, "counts")
    for name in ("beamAttenuationFactors", "commonBeamAttenuationFactor"):
        factors = read_numbers(points, name)
        if factors.size not in (0, 1, intensity.size):
            raise FormatError(f"it has {factors.size} {name} for {intensity.size} counts")
        if factors.size:
            return intensity * factors
    return intensity


def _find_units(points: Element) -> str:
    """Return the units of the intensities, which are counts unless the file says otherwise."""
    element = points.find("counts")
    element = points.find("intensities") if element is None else element
    stated = "" if element is None else element.get("unit", "").strip().lower()
    return {"": "counts", "counts": "counts", "cps": "counts/s"}.get(stated, "1")


def _read_times(points: Element) -> Float:
    """Return the counting time of each point or of all points [s]; empty if not stated."""
    times = read_numbers(points, "countingTimes")
    return times if times.size else read_numbers(points, "commonCountingTime")[:1]


def _find_two_theta(points: Element, n: int) -> Float | None:
    """Return the positions [degree] of n points; None if 2theta was fixed."""
    for positions in points.iterfind("positions"):
        # pyFAI writes "2\theta", Data Collector "2Theta".
        if positions.get("axis", "").replace("\\", "").lower() != "2theta":
            continue
        factor = _find_factor(positions, "angle")
        listed = read_numbers(positions, "listPositions") * factor
        if listed.size:
            if listed.size < n:
                raise FormatError(f"it has {listed.size} positions for {n} intensities")
            return listed[:n]
        ends = [read_numbers(positions, f"{which}Position") for which in ("start", "end")]
        if all(end.size == 1 for end in ends):
            return np.linspace(ends[0][0], ends[1][0], n) * factor
    return None


def _find_factor(element: Element | None, dimension: str) -> float:
    """Return the factor from the units of an element to degree or angstrom.

    Raises
    ------
    FormatError
        If its units have another dimension.
    """
    stated = "" if element is None else element.get("unit", "").strip()
    if not stated:
        return 1.0
    units = parse_units(stated)
    if units is None or units.dimension != dimension:
        raise FormatError(f"it states an {dimension} in {stated!r}; correct the units")
    return units.factor


def _read_metadata(measurement: Element, sample: str) -> dict[str, float | str]:
    lines = measurement.find("usedWavelength")
    tube = measurement.find("incidentBeamPath/xRayTube")
    beta = lines is not None and lines.get("intended", "").lower() == "k-beta"
    return select_possible(
        wavelength=_read_wavelength(lines, "kBeta" if beta else "kAlpha1"),
        k_alpha_2=None if beta else _read_wavelength(lines, "kAlpha2"),
        k_alpha_ratio=None if beta else parse_number(read_text(lines, "ratioKAlpha2KAlpha1")),
        sample=sample,
        anode=read_text(tube, "anodeMaterial"),
        voltage=parse_number(read_text(tube, "tension")),
        current=parse_number(read_text(tube, "current")),
    )


def _read_wavelength(lines: Element | None, name: str) -> float | None:
    value = parse_number(read_text(lines, name))
    element = None if lines is None else lines.find(name)
    return None if value is None else value * _find_factor(element, "length")


def _read_scan_metadata(
    scan: Element, points: Element, counting_time: float | None
) -> dict[str, float | str]:
    still = {
        positions.get("axis", "").lower(): parse_number(read_text(positions, "commonPosition"))
        for positions in points.iterfind("positions")
    }
    return select_possible(
        time=read_text(scan, "header/startTimeStamp"),
        instrument=read_text(scan, "header/source/instrumentControlSoftware"),
        counting_time=counting_time,
        temperature=_find_temperature(scan),
        **{name: still.get(name) for name in ("omega", "chi", "phi", "x", "y", "z")},
    )


def _find_temperature(scan: Element) -> float | None:
    """Return the mean temperature [K] during a scan."""
    for points in scan.iterfind("nonAmbientPoints"):
        values = read_numbers(points, "nonAmbientValues")
        if points.get("type", "Temperature") != "Temperature" or not values.size:
            continue
        unit = points.get("unit", "K").strip().lstrip("°").upper()[:1]
        mean = float(values.mean())
        return {"K": mean, "C": mean + 273.15, "F": (mean + 459.67) / 1.8}.get(unit)
    return None
