"""Rigaku RAS: a text of `*KEY "value"` headers and three columns, one such pair a scan.

Sources: the files of SmartLab Guidance and SmartLab Studio, and xrayutilities' reader of them
(https://xrayutilities.sourceforge.io/). The columns are position, intensity and attenuator
factor, as in RASX. The short form exported as .txt has headers and columns without the markers.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import (
    find_counting_time,
    format_iso_time,
    parse_number,
    select_possible,
)
from xrdae.readers.scan import Scan
from xrdae.readers.text_table import read_table, split_lines

Float: TypeAlias = npt.NDArray[np.float64]

_MINE = re.compile(r'\s*\*(?:RAS_(?:DATA|HEADER)_START|(?:DISP|FILE|HW|MEAS)_\w+(?:-\d+)? ")')
_KEY = re.compile(r"[*#](\w+(?:-\d+)?)\s*(=?)")  # what follows is stripped: faster on long blanks
# Axes whose position is the scattering angle, and what moves with it, as all of Rigaku's formats
# name them; "OmegaTwoTheta" counts in omega.
_TWO_THETA = {
    "twotheta": "",
    "twothetab": "",
    "twothetachi": "",
    "twothetachiphi": "phi",
    "twothetatheta": "omega",
    "twothetaomega": "omega",
    "thetatwotheta": "omega",
}
INTENSITY_UNITS = {"counts": "counts", "cps": "counts/s"}


def find_scan_axis(axis: str) -> str | None:
    """Return what else a scan over an axis moves ("": nothing); None: it is not over 2theta."""
    plain = re.sub(r"[\s_/-]", "", axis).lower().replace("2theta", "twotheta")
    return _TWO_THETA.get(plain)


def check_angle_units(units: str) -> None:
    """Refuse positions that are stated to be in other units than degree."""
    if units and not re.fullmatch(r"(?i)deg\w*\.?|°", units):
        raise FormatError(f"its positions are in {units!r}, not in degree; export it over 2theta")


def is_mine(file: DataFile) -> bool:
    """Tell whether a text begins as RAS does."""
    return file.text is not None and _MINE.match(file.text) is not None


def read_scans(file: DataFile) -> list[Scan]:
    """Return the scans over 2theta; those over other axes beside them are left out.

    Intensities are multiplied by the attenuator factors, unless these are zero throughout (not
    recorded). The file states no uncertainty.

    Raises
    ------
    FormatError
        If there is no scan over 2theta, or one is broken.
    """
    scans, other = [], set()
    for i, (header, rows) in enumerate(_split_blocks(split_lines(file.text or "")), start=1):
        axis = header.get("MEAS_SCAN_AXIS_X_INTERNAL") or header.get("MEAS_SCAN_AXIS_X", "")
        check_angle_units(header.get("MEAS_SCAN_UNIT_X", ""))
        moving = find_scan_axis(axis or "TwoTheta")
        if moving is None:
            other.add(axis)
            continue
        try:
            positions, intensity = _parse_intensities(header, rows)
        except FormatError as error:
            raise FormatError(f"scan {i}, its data: {error}") from error
        units = INTENSITY_UNITS.get(header.get("MEAS_SCAN_UNIT_Y", "").lower(), "1")
        found = _read_metadata(header, moving)
        scans.append(Scan("two_theta", positions, intensity, units=units, metadata=found))
    if not scans:
        raise FormatError(
            f"it holds scans over {', '.join(sorted(other))} only; patterns are over TwoTheta"
            if other
            else "it holds no scan"
        )
    return scans


def _split_blocks(lines: list[str]) -> list[tuple[dict[str, str], list[str]]]:
    """Return the header and the rows of each scan."""
    blocks: list[tuple[dict[str, str], list[str]]] = []
    header: dict[str, str] = {}
    rows: list[str] = []
    is_open = False
    for line in map(str.strip, lines):
        if line.startswith("*RAS_INT_START"):
            is_open = True
        elif line.startswith("*RAS_INT_END"):
            blocks.append((header, rows))
            header, rows, is_open = {}, [], False
        elif line.startswith("*RAS_HEADER_START") and rows:
            break  # a scan without an end
        elif line[:1] in {"*", "#"}:
            if (match := _KEY.match(line)) and (match[2] or match.end() > match.end(1)):
                header[match[1]] = _remove_quotes(line[match.end() :].strip())
        elif line:
            rows.append(line)
    if is_open:
        raise FormatError(f"scan {len(blocks) + 1} has no *RAS_INT_END; the file is cut off")
    if rows and not blocks:  # the short form
        blocks.append((header, rows))
    return blocks


def _remove_quotes(value: str) -> str:
    return value.removeprefix('"').removesuffix('"').strip()


def _parse_intensities(header: dict[str, str], rows: list[str]) -> tuple[Float, Float]:
    """Return positions [degree] and intensities."""
    values = read_table(rows).values
    announced = header.get("MEAS_DATA_COUNT", "")
    if re.fullmatch(r"[0-9]{1,9}", announced) and int(announced) != len(values):
        raise FormatError(
            f"its header announces {announced} points, but {len(values)} follow; "
            "the file is cut off"
        )
    intensity = values[:, 1].copy()
    if values.shape[1] > 2 and values[:, 2].any():
        if not (values[:, 2] > 0).all():
            raise FormatError("some, but not all, of its attenuator factors are zero or negative")
        intensity *= values[:, 2]
    if float(parse_number(header.get("Attenuator_coefficient")) or 1.0) != 1.0:
        raise FormatError("it states an attenuator coefficient for all points; export it as .ras")
    return values[:, 0].copy(), intensity


def _read_metadata(header: dict[str, str], moving: str) -> dict[str, float | str]:
    is_beta = header.get("MEAS_COND_XG_WAVE_TYPE", "").lower().startswith("kb")
    line = "BETA" if is_beta else "ALPHA1"
    time = header.get("MEAS_SCAN_START_TIME", "")
    return select_possible(
        wavelength=parse_number(header.get(f"HW_XG_WAVE_LENGTH_{line}")),
        k_alpha_2=None if is_beta else parse_number(header.get("HW_XG_WAVE_LENGTH_ALPHA2")),
        anode=header.get("HW_XG_TARGET_NAME"),
        voltage=parse_number(header.get("MEAS_COND_XG_VOLTAGE")),
        current=parse_number(header.get("MEAS_COND_XG_CURRENT")),
        sample=header.get("FILE_SAMPLE"),
        title=header.get("FILE_COMMENT"),
        instrument=header.get("FILE_SYSTEM_NAME"),
        time=format_iso_time(time, "month") or format_iso_time(time),
        counting_time=find_counting_time(
            parse_number(header.get("MEAS_SCAN_SPEED")),
            header.get("MEAS_SCAN_SPEED_UNIT", ""),
            parse_number(header.get("MEAS_SCAN_STEP")),
        ),
        **{name: value for name, value in _read_axes(header).items() if name != moving},
    )


def _read_axes(header: dict[str, str]) -> dict[str, float | None]:
    """Return the positions of the axes, whose keys end in the number of the axis."""
    prefix = "MEAS_COND_AXIS_NAME_INTERNAL"
    numbers = {
        value.lower(): key.removeprefix(prefix)
        for key, value in header.items()
        if key.startswith(prefix)
    }
    return {
        name: parse_number(header.get(f"MEAS_COND_AXIS_POSITION{numbers[name]}"))
        for name in ("omega", "chi", "phi", "x", "y", "z")
        if name in numbers
    }
