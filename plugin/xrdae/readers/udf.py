"""Philips and PANalytical UDF: `Key, value,/` lines, then `RawScan` and counts.

Sources: files of an X'Pert and of an Aeris beside the XRDML and the columns of the same scans;
the descriptions in DASH (https://github.com/ccdc-opensource/dash) and xylib
(https://github.com/wojdyr/xylib). `DataAngleRange` is the first and the last position, in a
continuous scan too. A `/` ends the counts, but not in all files.
"""

from __future__ import annotations

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import iso_time, number, stated
from xrdae.readers.scan import Scan
from xrdae.readers.step_scans import intensities, positions
from xrdae.readers.text_table import split_lines


def is_mine(file: DataFile) -> bool:
    """Tell whether a text begins with the key that UDF begins with."""
    return file.text is not None and file.text[:100].lstrip().startswith("SampleIdent,")


def read_scans(file: DataFile) -> list[Scan]:
    """Return the one scan, in counts. The file states no uncertainty.

    Raises
    ------
    FormatError
        If it has no counts (a list of peaks), or not those of its range.
    """
    lines = split_lines(file.text or "")
    start = next((i for i, line in enumerate(lines) if line.strip() == "RawScan"), None)
    if start is None:
        raise FormatError("it has no RawScan; a list of peaks is no pattern")
    keys: dict[str, str] = {}
    for line in lines[:start]:
        key, _, value = line.partition(",")
        keys[key.strip()] = value.strip().removesuffix("/").rstrip(" ,")
    counts = intensities(" ".join(lines[start + 1 :]).partition("/")[0].replace(",", " "))
    first, _, last = keys.get("DataAngleRange", "").partition(",")
    angles = positions(counts.size, number(first), number(keys.get("ScanStepSize")), number(last))
    return [Scan("two_theta", angles, counts, units="counts", metadata=_header(keys))]


def _header(keys: dict[str, str]) -> dict[str, float | str]:
    return stated(
        wavelength=number(keys.get("LabdaAlpha1", keys.get("LambdaAlpha1"))),
        k_alpha_2=number(keys.get("LabdaAlpha2", keys.get("LambdaAlpha2"))),
        k_alpha_ratio=number(keys.get("RatioAlpha21")),
        anode=keys.get("Anode"),
        sample=keys.get("SampleIdent"),
        title=keys.get("Title1"),
        instrument=keys.get("DiffrType", "").strip("?"),
        time=iso_time(keys.get("FileDateTime", ""), "day"),
        counting_time=number(keys.get("ScanStepTime")),
        voltage=number(keys.get("GeneratorVoltage")),
        current=number(keys.get("TubeCurrent")),
    )
