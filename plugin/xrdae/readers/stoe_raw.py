"""STOE's binary scans, RAW_1.06 (.raw of WinXPOW).

Source: the records that DASH declares, after the vendor's, in LoadRAWFiles.f90
(https://github.com/ccdc-opensource/dash), tried on a file of a linear detector. Little-endian
records of 512 bytes. The first is the header; it says which records are the headers of the (at
most eight) ranges. Behind each of these stand the counts, as integers of 32 or of 16 bits.
"""

from __future__ import annotations

import struct

import numpy as np

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import format_iso_time, select_possible
from xrdae.readers.scan import Scan
from xrdae.readers.step_scans import make_positions

_MAGIC = b"RAW_1.06"
_RECORD = 512
_MOST_RANGES = 8
_OMEGA = 2  # type of a scan over omega at fixed 2theta
_ANODES = {1: "Ag", 2: "Mo", 3: "Cu", 4: "Co", 5: "Fe", 6: "Cr"}
_NO_TITLE = "This file has no Title"


def is_mine(file: DataFile) -> bool:
    """Tell whether a file starts with the signature of the version."""
    return file.content.startswith(_MAGIC)


def read_scans(file: DataFile) -> list[Scan]:
    """Return the ranges measured, in counts. The file states no uncertainty.

    Raises
    ------
    FormatError
        If it has no range, is cut off, or was scanned over omega.
    """
    content = file.content
    if len(content) < _RECORD:
        raise FormatError(f"it has {len(content)} bytes; the file is cut off")
    (kind,) = struct.unpack_from("<h", content, 360)
    (n,) = struct.unpack_from("<h", content, 378)
    if kind == _OMEGA:
        raise FormatError("it was scanned over omega; patterns are over 2theta")
    if not 0 < n <= _MOST_RANGES:
        raise FormatError(f"it announces {n} ranges, but a file has 1 to {_MOST_RANGES}")
    header = _read_header(content)
    return [
        _read_range(content, (record - 1) * _RECORD, header)
        for record in struct.unpack_from(f"<{n}h", content, 480)
    ]


def _read_range(content: bytes, start: int, header: dict[str, float | str]) -> Scan:
    if start < _RECORD or start + _RECORD > len(content):
        raise FormatError(f"a range begins at byte {start} of {len(content)}; the file is cut off")
    n, _, form = struct.unpack_from("<3h", content, start + 34)
    factor, first, _, last, _, step = struct.unpack_from("<6f", content, start + 40)
    dtype = np.dtype("<i2" if form == 1 else "<i4")
    stored = content[start + _RECORD : start + _RECORD + max(n, 0) * dtype.itemsize]
    if n < 1 or len(stored) < n * dtype.itemsize:
        raise FormatError(f"{len(stored) // dtype.itemsize} of {n} points are there")
    counts = np.frombuffer(stored, dtype).astype(np.float64)
    if factor > 1:
        counts /= factor
    time = format_iso_time(_decode_field(content[start : start + 16]), "day")
    angles = make_positions(n, first, step, last)
    return Scan(
        "two_theta",
        angles,
        counts,
        units="counts",
        metadata={**header, **select_possible(time=time)},
    )


def _read_header(content: bytes) -> dict[str, float | str]:
    (anode,) = struct.unpack_from("<h", content, 310)
    voltage, current, first, second = struct.unpack_from("<2h2f", content, 318)
    title = _decode_field(content[32:112])
    return select_possible(
        wavelength=first,
        k_alpha_2=second,
        anode=_ANODES.get(anode),
        title="" if title.startswith(_NO_TITLE) else title,
        voltage=voltage,
        current=current,
    )


def _decode_field(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("latin-1").strip()
