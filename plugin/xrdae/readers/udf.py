"""Philips and PANalytical UDF: `Key, value,/` lines, then `RawScan` and counts.

Sources: files of an X'Pert and of an Aeris beside the XRDML and the columns of the same scans;
the descriptions in DASH (https://github.com/ccdc-opensource/dash) and xylib
(https://github.com/wojdyr/xylib). `DataAngleRange` is the first and the last position, in a
continuous scan too. A `/` ends the counts, but not in all files.
"""

from __future__ import annotations

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import format_iso_time, parse_number, select_possible
from xrdae.readers.scan import Scan
from xrdae.readers.step_scans import make_positions, parse_intensities
from xrdae.readers.text_table import split_lines


def is_mine(file: DataFile) -> bool:
    """Tell whether a text begins with the key that UDF begins with."""
    return file.text is not None and file.text[:100].lstrip().startswith("SampleIdent,")


def read_scans(file: DataFile) -> list[Scan]:
    """Return the one scan, in counts. The file states no uncertainty.

    Raises
    ------
    FormatError
        If it has no counts (a list of peaks), or another number of counts than its range.
    """
    lines = split_lines(file.text or "")
    start = next((i for i, line in enumerate(lines) if line.strip() == "RawScan"), None)
    if start is None:
        raise FormatError("it has no RawScan; a list of peaks is no pattern")
    keys: dict[str, str] = {}
    for line in lines[:start]:
        key, _, value = line.partition(",")
        keys[key.strip()] = value.strip().removesuffix("/").rstrip(" ,")
    counts = parse_intensities(" ".join(lines[start + 1 :]).partition("/")[0].replace(",", " "))
    first, _, last = keys.get("DataAngleRange", "").partition(",")
    angles = make_positions(
        counts.size, parse_number(first), parse_number(keys.get("ScanStepSize")), parse_number(last)
    )
    return [Scan("two_theta", angles, counts, units="counts", metadata=_read_metadata(keys))]


def _read_metadata(keys: dict[str, str]) -> dict[str, float | str]:
    return select_possible(
        wavelength=parse_number(keys.get("LabdaAlpha1", keys.get("LambdaAlpha1"))),
        k_alpha_2=parse_number(keys.get("LabdaAlpha2", keys.get("LambdaAlpha2"))),
        k_alpha_ratio=parse_number(keys.get("RatioAlpha21")),
        anode=keys.get("Anode"),
        sample=keys.get("SampleIdent"),
        title=keys.get("Title1"),
        instrument=keys.get("DiffrType", "").strip("?"),
        time=format_iso_time(keys.get("FileDateTime", ""), "day"),
        counting_time=parse_number(keys.get("ScanStepTime")),
        voltage=parse_number(keys.get("GeneratorVoltage")),
        current=parse_number(keys.get("TubeCurrent")),
    )
