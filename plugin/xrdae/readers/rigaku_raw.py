"""Rigaku's binary RAW: recognized, so that it is not taken for something else, and refused.

Its layout is not published, and no library that is kept up reads it; the readers there are guess
where the start and the step are.
"""

from __future__ import annotations

from typing import NoReturn

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile


def is_mine(file: DataFile) -> bool:
    """Tell whether a .raw file is binary and begins as Rigaku's do."""
    return file.suffix == ".raw" and file.content.startswith(b"FI") and file.text is None


def read_scans(file: DataFile) -> NoReturn:  # noqa: ARG001  (the readers' interface)
    """Refuse the file.

    Raises
    ------
    FormatError
        Always; the message says what to export instead.
    """
    raise FormatError(
        "it is Rigaku RAW, whose layout is not published; export it as .ras, .rasx or .xy from "
        "SmartLab Studio, PDXL or PowDLL"
    )
