"""Recognize Rigaku's binary RAW, and refuse it, so that no other reader takes it.

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
        Always. The message says which format to export.
    """
    raise FormatError(
        "it is Rigaku RAW, whose layout is not published; export it as .ras, .rasx or .xy from "
        "SmartLab Studio, PDXL or PowDLL"
    )
