"""Bruker's UXD (DIFFRAC plus, XCH): keys behind underscores and ranges of counts.

Sources: the files of the exporter (XCH 1.0) and xylib's description of them
(https://github.com/wojdyr/xylib). A data marker tells whether a column of positions stands
before the intensities (`_2THETACOUNTS`, `_2THETACPS`) or the range's `_START` and `_STEPSIZE`
say where they are (`_COUNTS`, `_CPS`), and whether a column of counting times follows
(`_2THETACOUNTSTIME`). What moved, `_DRIVE` says: pole figures and rocking curves
stand under `_2THETACOUNTS` too.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.readers.counting_times import divide_by_times
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import format_iso_time, parse_number, select_possible
from xrdae.readers.scan import Scan
from xrdae.readers.text_table import split_lines

Float: TypeAlias = npt.NDArray[np.float64]

_MARKER = re.compile(r"_(2THETA)?(COUNTS|CPS)(TIME)?\s*$")
_PEAKS = re.compile(r"_(?:D|2THETA)-I\b")
_MINE = re.compile(r"(?m)^_(?:FILEVERSION\s*=|(?:2THETA)?(?:COUNTS|CPS)(?:TIME)?\s*$)")
_KEY = re.compile(r"_(\w+)\s*=")  # what follows is stripped: faster on long blanks
_TWO_THETA = {"COUPLED", "2THETA", "TWOTHETA", "LOCKED COUPLED", "UNLOCKED COUPLED", ""}
_ANGSTROMS = {"A": 1.0, "NM": 10.0}


def is_mine(file: DataFile) -> bool:
    """Tell whether a text has a file version or a data marker of UXD."""
    start = file.content[:65536]
    return (
        file.text is not None
        and b"_" in start
        and (b"_FILEVERSION" in start or b"COUNTS" in start or b"CPS" in start)
        and _MINE.search(file.text[:65536].replace("\r", "\n")) is not None
    )


def read_scans(file: DataFile) -> list[Scan]:
    """Return the ranges over 2theta; those over other axes beside them are left out.

    Counts are counts per second if the counting time varies within a range.

    Raises
    ------
    FormatError
        If there is no range over 2theta, or one is broken.
    """
    keys: dict[str, str] = {}
    scans, other, n = [], set(), 0
    lines = split_lines(file.text or "")
    i = 0
    while i < len(lines):
        line = lines[i].strip()
        i += 1
        if pair := _KEY.match(line):
            keys[pair[1].upper()] = line[pair.end() :].strip().strip("'\"").strip()
        elif marker := _MARKER.match(line):
            n += 1
            end = next((k for k in range(i, len(lines)) if lines[k].startswith("_")), len(lines))
            rows, i = lines[i:end], end
            drive = keys.get("DRIVE", "").upper()
            if drive in _TWO_THETA:
                scans.append(_read_range(keys, rows, marker, n))
            else:
                other.add(drive)
        elif _PEAKS.match(line):
            raise FormatError("it holds a list of peaks, which is no pattern; export the counts")
        elif line and line[0] != ";":
            raise FormatError(f"line {i} is neither a key nor data of a known kind: {line[:40]!r}")
    if not scans:
        raise FormatError(
            f"it holds ranges over {', '.join(sorted(other))} only; patterns are over 2THETA"
            if other
            else "it holds no range"
        )
    return scans


def _read_range(keys: dict[str, str], rows: list[str], marker: re.Match[str], n: int) -> Scan:
    text = " ".join(row for row in rows if not row.lstrip().startswith(";"))
    try:
        values = np.array(text.split(), np.float64)
    except ValueError as error:
        raise FormatError(f"range {n}: its data are no numbers: {error}") from error
    width = 1 + bool(marker[1]) + bool(marker[3])
    if values.size % width:
        raise FormatError(
            f"range {n}: its last row has {values.size % width} of {width} values; the file is cut "
            "off"
        )
    columns = values.reshape(-1, width)
    times = columns[:, -1] if marker[3] else values[:0]
    positions: Float
    intensity: Float
    if marker[1]:
        positions, intensity = columns[:, 0].copy(), columns[:, 1].copy()
    else:
        intensity = columns[:, 0].copy()
        start, step = parse_number(keys.get("START")), parse_number(keys.get("STEPSIZE"))
        start = parse_number(keys.get("2THETA")) if start is None else start
        if start is None or not step:
            raise FormatError(f"range {n}: it states no _START and _STEPSIZE")
        positions = (start + step * np.arange(intensity.size)).astype(float)
    announced = parse_number(keys.get("STEPCOUNT"))
    if announced is not None and announced != intensity.size:
        raise FormatError(f"range {n}: {intensity.size} of {announced:.0f} points are there")
    units = "counts" if marker[2] == "COUNTS" else "counts/s"
    try:
        intensity, units, time = divide_by_times(intensity, times, units)
    except FormatError as error:
        raise FormatError(f"range {n}: {error}") from error
    if not times.size:
        time = parse_number(keys.get("STEPTIME"))
    metadata = _read_metadata(keys, time)
    return Scan("two_theta", positions, intensity, units=units, metadata=metadata)


def _read_metadata(keys: dict[str, str], counting_time: float | None) -> dict[str, float | str]:
    """Return the metadata of a range, without omega, which moves with 2theta."""
    factor = _ANGSTROMS.get(keys.get("WL_UNIT", "A").upper())
    lines = {
        name: factor * value
        for name, key in (("wavelength", "WL1"), ("k_alpha_2", "WL2"))
        if factor and (value := parse_number(keys.get(key))) is not None
    }
    return select_possible(
        **lines,
        k_alpha_ratio=parse_number(keys.get("WLRATIO")),
        anode=keys.get("ANODE"),
        sample=keys.get("SAMPLE"),
        time=format_iso_time(keys.get("DATEMEASURED", ""), "day"),
        counting_time=counting_time,
        chi=parse_number(keys.get("KHI")),
        phi=parse_number(keys.get("PHI")),
        x=parse_number(keys.get("X")),
        y=parse_number(keys.get("Y")),
        z=parse_number(keys.get("Z")),
        voltage=parse_number(keys.get("KV")),
        current=parse_number(keys.get("MA")),
    )
