"""Philips PC-APD binary scans, V3RD (.rd).

Sources: the descriptions in xylib (https://github.com/wojdyr/xylib, from a specification by
M. Fransen) and DASH (https://github.com/ccdc-opensource/dash), tried on files beside the XRDML
and UDF of the same scans. Little-endian, at these bytes:

     4  title, 40 characters          126  whether the scan was continuous, one byte
    85  anode, one byte               146  sample, 20 characters
    90  voltage [kV], int16           214  step, start, end [degree], three doubles
    92  current [mA], int16           250  ten times the square roots of the counts, uint16
    94  two wavelengths [angstrom] and their ratio, three doubles

In a continuous scan the positions are the middles of the steps. Packed so, counts are right to
about an eighth of their standard deviation. The two sources place the counts of V5RD (.sd)
differently and no file of it could be had, so it is refused.
"""

from __future__ import annotations

import struct

import numpy as np

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import select_possible
from xrdae.readers.scan import Scan
from xrdae.readers.step_scans import make_positions

_HEADER = 250
_ANODES = {0: "Cu", 1: "Mo"}  # the sources agree on these two only


def is_mine(file: DataFile) -> bool:
    """Tell whether a file starts with the signature of a scan."""
    return file.content.startswith((b"V3RD", b"V5RD"))


def read_scans(file: DataFile) -> list[Scan]:
    """Return the one scan, in counts. The file states no uncertainty.

    Raises
    ------
    FormatError
        If it is V5RD, or if the number of counts differs from the number of steps.
    """
    content = file.content
    if content.startswith(b"V5RD"):
        raise FormatError("its version, V5RD, cannot be read; export it as .udf or .xrdml")
    if len(content) < _HEADER or len(content) % 2:
        raise FormatError(f"it has {len(content)} bytes; the file is cut off")
    roots = np.frombuffer(content, "<u2", offset=_HEADER).astype(np.int64)
    counts = (roots**2 // 100).astype(np.float64)
    step, start, end = struct.unpack_from("<3d", content, 214)
    if content[126] == 1:
        start, end = start + step / 2, end - step / 2
    angles = make_positions(counts.size, start, step, end)
    return [Scan("two_theta", angles, counts, units="counts", metadata=_read_header(content))]


def _read_header(content: bytes) -> dict[str, float | str]:
    voltage, current, first, second, ratio = struct.unpack_from("<2h3d", content, 90)
    return select_possible(
        wavelength=first,
        k_alpha_2=second,
        k_alpha_ratio=ratio,
        anode=_ANODES.get(content[85]),
        sample=_decode_field(content[146:166]),
        title=_decode_field(content[4:44]),
        voltage=voltage,
        current=current,
    )


def _decode_field(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("latin-1")
