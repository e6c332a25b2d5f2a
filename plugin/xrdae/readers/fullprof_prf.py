"""Read FullProf's .prf, the observed and calculated pattern of a refinement.

Source: the files that FullProf writes with Prf = 3 (and WinPLOTR reads): a title, a line that
begins with the numbers of phases and points and has the two wavelengths, names of the columns, and
rows. The first rows also have the positions and indices of the reflections behind the pattern.
"""

from __future__ import annotations

import re

import numpy as np

from xrdae.convention.axis_kinds import OTHER
from xrdae.errors import FormatError
from xrdae.readers.axis_labels import find_label_axis
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import parse_number, select_possible
from xrdae.readers.scan import Scan, ScanAxis
from xrdae.readers.text_table import split_lines

_NAMES = re.compile(r"\s*(\S.*?)[ \t]+Yobs[ \t]+Ycal[ \t]+Yobs-Ycal\b")
_COLUMNS = 2  # positions and observed intensities


def is_mine(file: DataFile) -> bool:
    """Tell whether the names of FullProf's columns stand near the start of a text."""
    start = file.text[:5000] if file.text is not None else ""
    return "Yobs" in start and any(map(_NAMES.match, split_lines(start)[:-1]))


def read_scans(file: DataFile) -> list[Scan]:
    """Return the observed pattern.

    Raises
    ------
    FormatError
        If the number of points differs from the announced one, or a row is broken.
    """
    lines = split_lines(file.text or "")
    i, match = next((i, found) for i, line in enumerate(lines) if (found := _NAMES.match(line)))
    axis = find_label_axis(match[1]) or ScanAxis(OTHER, 1.0, match[1], "1", match[1])
    announced = [number for line in lines[1:i] for number in map(parse_number, line.split())]
    rows = [line.split(None, _COLUMNS)[:_COLUMNS] for line in lines[i + 1 :] if line.strip()]
    try:
        values = np.array(rows, np.float64).reshape(-1, _COLUMNS)
    except ValueError as error:
        raise FormatError(f"a row below {lines[i].strip()[:40]!r} is no row of numbers") from error
    if len(announced) < 2 or announced[1] != len(values):
        n = announced[1] if len(announced) > 1 else None
        raise FormatError(
            f"its second line announces {n} points, but {len(values)} follow; the file is cut off "
            "or of another version of FullProf"
        )
    lines_of_tube = announced[4:6] if axis.kind == "two_theta" and len(announced) > 5 else ()
    first, second = lines_of_tube or (None, None)
    metadata = select_possible(
        title=re.sub(r"\s*CELL:.*", "", lines[0]),
        wavelength=first,
        k_alpha_2=second if second != first else None,
    )
    own = axis if axis.kind == OTHER else None
    return [
        Scan(
            axis.kind, values[:, 0] * axis.factor, values[:, 1].copy(), metadata=metadata, axis=own
        )
    ]
