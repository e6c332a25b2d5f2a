"""Materials Data's MDI, the text format of JADE.

Sources: the example in DASH (https://github.com/ccdc-opensource/dash) and files written for JADE.
A title; a line of start, step, speed, anode, wavelength [angstrom], end and number of points;
then the intensities, mostly eight a line, with a -1 behind the last in some files. The units
of the speed are not known, so no counting time is told.
"""

from __future__ import annotations

import re

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import parse_number, select_possible
from xrdae.readers.scan import Scan
from xrdae.readers.step_scans import make_positions, parse_intensities
from xrdae.readers.text_table import split_lines

_NUMBER = r"([\d.]{1,20})"
_RANGE = re.compile(
    rf"\s*{_NUMBER}\s+{_NUMBER}\s+{_NUMBER}\s+([A-Za-z]{{1,2}})\s+{_NUMBER}\s+{_NUMBER}"
    r"\s+(\d{1,9})\s*$"
)


def is_mine(file: DataFile) -> bool:
    """Tell whether the second line of a text is a range with an anode in its middle."""
    if file.text is None:
        return False
    lines = split_lines(file.text[:2000])
    return len(lines) > 1 and _RANGE.match(lines[1]) is not None


def read_scans(file: DataFile) -> list[Scan]:
    """Return the one scan, of unknown units. The file states no uncertainty.

    Raises
    ------
    FormatError
        If the number of intensities differs from the announced one.
    """
    lines = split_lines(file.text or "")
    match = _RANGE.match(lines[1])
    if match is None:  # is_mine sees the first characters of the line only
        raise FormatError(f"its range has something behind it: {lines[1][-40:]!r}")
    n = int(match[7])
    values = parse_intensities(" ".join(lines[2:]))
    if values.size and values[-1] == -1:
        values = values[:-1]
    if values.size != n:
        raise FormatError(
            f"its header announces {n} points, but {values.size} follow; the file is cut off"
        )
    angles = make_positions(
        n, parse_number(match[1]), parse_number(match[2]), parse_number(match[6])
    )
    metadata = select_possible(
        wavelength=parse_number(match[5]), anode=match[4].capitalize(), title=lines[0]
    )
    return [Scan("two_theta", angles, values, metadata=metadata)]
