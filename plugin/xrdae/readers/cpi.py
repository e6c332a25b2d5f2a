"""Sietronics CPI: a header of fixed lines, `SCANDATA`, then an intensity a line.

Sources: the annotated examples in DASH (https://github.com/ccdc-opensource/dash) and xylib
(https://github.com/wojdyr/xylib), and PyXRD (https://github.com/PyXRD/PyXRD), which agree: marker,
start, end and step [degree], anode, wavelength [angstrom], date (day first), speed, comment.
The units of the speed are not known, so no counting time is told.
"""

from __future__ import annotations

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import format_iso_time, parse_number, select_possible
from xrdae.readers.scan import Scan
from xrdae.readers.step_scans import make_positions, parse_intensities
from xrdae.readers.text_table import split_lines

_MARKER = "SIETRONICS XRD SCAN"
_COMMENT = 8  # the line where it begins


def is_mine(file: DataFile) -> bool:
    """Tell whether a text begins with the marker."""
    return file.text is not None and file.text.startswith(_MARKER)


def read_scans(file: DataFile) -> list[Scan]:
    """Return the one scan, of unknown units. The file states no uncertainty.

    Raises
    ------
    FormatError
        If it has no SCANDATA, or not the intensities of its range.
    """
    lines = [line.strip() for line in split_lines(file.text or "")]
    if "SCANDATA" not in lines[_COMMENT:]:
        raise FormatError("it has no SCANDATA below its header; the file is cut off")
    marker = lines.index("SCANDATA", _COMMENT)
    start, end, step, wavelength = (parse_number(lines[i].replace(",", ".")) for i in (1, 2, 3, 5))
    values = parse_intensities(" ".join(lines[marker + 1 :]).replace(",", "."))
    angles = make_positions(values.size, start, step, end)
    metadata = select_possible(
        wavelength=wavelength,
        anode=lines[4],
        time=format_iso_time(lines[6], "day"),
        title=" ".join(lines[_COMMENT:marker]),
    )
    return [Scan("two_theta", angles, values, metadata=metadata)]
