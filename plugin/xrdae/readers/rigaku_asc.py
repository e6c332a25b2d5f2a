"""Rigaku's older text, ASC: `*KEY = value` lines and groups of intensities.

Sources: a file of a SmartLab, the example in DASH (https://github.com/ccdc-opensource/dash) and
the description in xylib (https://github.com/wojdyr/xylib). Groups stand between `*BEGIN` and
`*END`; what is above the first holds for all. Behind `*COUNT` follow that many intensities.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Iterator, Mapping, MutableMapping

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import (
    find_counting_time,
    format_iso_time,
    parse_number,
    select_possible,
)
from xrdae.readers.ras import INTENSITY_UNITS, check_angle_units, find_scan_axis
from xrdae.readers.scan import Scan
from xrdae.readers.step_scans import make_positions, parse_intensities
from xrdae.readers.text_table import split_lines

_MINE = re.compile(r"\s*\*TYPE\s*=")
_ANODES = {"24": "Cr", "26": "Fe", "27": "Co", "29": "Cu", "42": "Mo", "47": "Ag", "74": "W"}


def is_mine(file: DataFile) -> bool:
    """Tell whether a text begins with the key that ASC begins with."""
    return file.text is not None and _MINE.match(file.text) is not None


def read_scans(file: DataFile) -> list[Scan]:
    """Return the groups over 2theta; those over other axes beside them are left out.

    Raises
    ------
    FormatError
        If there is no group over 2theta, or one is broken.
    """
    scans, other = [], set()
    for n, (keys, rows) in enumerate(_split_groups(split_lines(file.text or "")), start=1):
        axis = keys.get("SCAN_AXIS") or keys.get("SCAN_MODE", "")
        if axis and find_scan_axis(axis) is None:
            other.add(axis)
            continue
        check_angle_units(keys.get("XUNIT", ""))
        try:
            scans.append(_make_scan(keys, rows))
        except FormatError as error:
            raise FormatError(f"group {n}: {error}") from error
    if not scans:
        raise FormatError(
            f"it holds groups over {', '.join(sorted(other))} only; patterns are over 2theta"
            if other
            else "it holds no group"
        )
    return scans


def _split_groups(lines: list[str]) -> Iterator[tuple[Mapping[str, str], list[str]]]:
    """Yield the keys and the rows of each group."""
    n = 0
    shared: dict[str, str] = {}
    rows: list[str] = []
    keys: MutableMapping[str, str] = shared
    for line in map(str.strip, lines):
        if line.startswith("*BEGIN"):
            keys, rows = ChainMap({}, shared), []  # a copy for each group takes too long
        elif line.startswith("*END"):
            yield keys, rows
            n, keys, rows = n + 1, shared, []
        elif line.startswith("*EOF"):
            break
        elif line.startswith("*"):
            key, _, value = line[1:].partition("=")
            keys[key.strip()] = value.strip()
        elif line and line[0] != "#":
            rows.append(line)
    announced = parse_number(shared.get("GROUP_COUNT"))
    if keys is not shared or (announced is not None and n < announced):
        raise FormatError(f"group {n + 1} has no *END; the file is cut off")


def _make_scan(keys: Mapping[str, str], rows: list[str]) -> Scan:
    values = parse_intensities(" ".join(rows).replace(",", " "))
    announced = parse_number(keys.get("COUNT"))
    if announced is not None and announced != values.size:
        raise FormatError(f"it announces {announced:.0f} points, but {values.size} follow")
    angles = make_positions(
        values.size, *(parse_number(keys.get(key)) for key in ("START", "STEP", "STOP"))
    )
    units = INTENSITY_UNITS.get(keys.get("YUNIT", "").lower(), "1")
    return Scan("two_theta", angles, values, units=units, metadata=_read_metadata(keys))


def _read_metadata(keys: Mapping[str, str]) -> dict[str, float | str]:
    is_beta = "BETA" in keys.get("XRAY_CHAR", "").upper()  # the wavelengths are of K-alpha
    target = keys.get("TARGET", "")
    return select_possible(
        wavelength=None if is_beta else parse_number(keys.get("WAVE_LENGTH1")),
        k_alpha_2=None if is_beta else parse_number(keys.get("WAVE_LENGTH2")),
        anode=_ANODES.get(target, "" if target.isdigit() else target),
        sample=keys.get("SAMPLE"),
        title=keys.get("COMMENT"),
        instrument=keys.get("GONIO", "").partition(",")[0],
        time=format_iso_time(keys.get("DATE", ""), "day"),
        counting_time=_find_counting_time(keys),
        voltage=parse_number(keys.get("KV")),
        current=parse_number(keys.get("MA")),
    )


def _find_counting_time(keys: Mapping[str, str]) -> float | None:
    """Return the time a step took [s].

    Continuous scans are found with a speed in seconds a step that contradicts their counts.
    """
    units = keys.get("SPEED_DIM", "")
    if units.lower().startswith("sec") and "cont" in keys.get("MEAS_MODE", "").lower():
        return None
    return find_counting_time(
        parse_number(keys.get("SPEED")), units, parse_number(keys.get("STEP"))
    )
