"""Siemens and Bruker RAW, versions 1, 2, 3 ("RAW1.01") and 4 ("RAW4.00").

Layouts: DIFFRAC-AT manual, appendix B (1, 2); DIFFRAC plus XCH manual (2002), appendix A (3), both
as xylib (https://github.com/wojdyr/xylib) and reductus (https://github.com/reductus/reductus) give
them; version 4 is not published: xylib's findings, checked against files.

A scan that was stopped leaves a file that is cut off, or padded with zeros. What was not measured
is NaN, with a warning. Version 3 says whether the file was finished. In the others zeros at the end
may have been counted: they are taken for padding only if the counts before them are so high that
chance cannot explain the zeros.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from xrdae.errors import FormatError, warn
from xrdae.readers.counting_times import divide_by_times
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import format_iso_time, select_possible
from xrdae.readers.scan import Float, Metadata, Scan

# Version 3: coupled, unlocked coupled, detector scan, high-resolution coupled, PSD fixed and fast.
_OVER_TWO_THETA_3 = frozenset({0, 1, 2, 20, 129, 130})
_DETECTOR_SCAN_3 = 2
_STOPPED_3 = frozenset({2, 3, 4})  # active, aborted, interrupted
_TIME_3 = 10  # bit of the time among the parameters that vary
_MOST_TIMES = 100  # announced points over points, of a range that is cut off
_TRIED = 50  # points before zeros at the end
_LEAST_MISSING = 50.0  # counts; by chance they are missing once in 10^21 scans
_LONGEST_RECORD = 1024  # bytes of a point; known are 4 to 100
_OVER_TWO_THETA_4 = frozenset({"locked coupled", "unlocked coupled", "detector scan"})
_RANGE_MARKERS_4 = frozenset({0, 160})


def is_mine(file: DataFile) -> bool:
    """Tell whether a file starts with the signature of a known version."""
    return any(file.content.startswith(magic) for magic in _READERS) and file.text is None


def read_scans(file: DataFile) -> list[Scan]:
    """Return the ranges over 2theta, in the order of the file.

    Intensities are counts, or counts per second if the time varies within a range. Points that a
    stopped scan did not measure are NaN. The file states no uncertainty. Ranges over other axes
    beside one over 2theta, and empty ones, are left out. Of a strip detector the counting time is
    that of all its channels together; where version 4 keeps the temperature is not known.

    Raises
    ------
    FormatError
        If it is damaged or holds no range over 2theta.
    """
    reader = next(r for magic, r in _READERS.items() if file.content.startswith(magic))
    scans = []
    for i, scan in enumerate(reader(file), start=1):
        if scan is None:
            continue
        missing = np.count_nonzero(np.isnan(scan.intensity))
        if missing:
            warn(
                f"{file.path}: {missing} of {scan.intensity.size} points of range {i} were not "
                "measured, because the scan was stopped or the file is cut off; they are NaN"
            )
        if missing < scan.intensity.size:
            scans.append(scan)
    if not scans:
        raise FormatError("it holds no range over 2theta with intensities")
    return scans


def _is_at_end(file: DataFile, at: int, n: int) -> bool:
    """Tell whether a file ends before its range n, counted from 0, and warn if it does."""
    if n == 0 or at < len(file.content):
        return False
    warn(f"{file.path}: the file ends after range {n}, but states more; the scan was stopped")
    return True


def _unpack(content: bytes, form: str, at: int) -> Any:
    try:
        values = struct.unpack_from("<" + form, content, at)
    except struct.error as error:
        raise FormatError(f"it ends after {len(content)} bytes, within a header") from error
    return values if len(values) > 1 else values[0]


def _decode_text(content: bytes, at: int, n: int) -> str:
    return content[at : at + n].partition(b"\0")[0].decode("latin-1").strip()


def _unpack_records(content: bytes, at: int, n: int, dtype: Any) -> Any:
    """Return n records, or fewer if the file ends within them."""
    size = np.dtype(dtype).itemsize
    there = max(len(content) - at, 0) // size
    if at > len(content) or (there < n and (there < 2 or n > _MOST_TIMES * there)):
        raise FormatError(
            f"it ends after {len(content)} bytes; {n} points end after {at + n * size}"
        )
    return np.frombuffer(content, dtype, min(n, there), at)


def _make_steps(start: float, step: float, n: int) -> Float:
    if not (abs(start) <= 360 and 0 < abs(step) <= 360):  # true for NaN
        raise FormatError(f"a range starts at {start:.6g} in steps of {step:.6g} degree")
    return start + step * np.arange(n)


def _make_scan(
    two_theta: Float, counts: Float, metadata: Metadata, *, is_stopped: bool = False
) -> Scan:
    """Return a scan whose intensities are NaN where nothing was measured."""
    intensity = np.full(two_theta.size, np.nan)
    with np.errstate(invalid="ignore"):  # damaged floats
        intensity[: counts.size] = counts
    intensity[_count_measured(intensity[: counts.size], is_stopped=is_stopped) :] = np.nan
    return Scan("two_theta", two_theta, intensity, units="counts", metadata=metadata)


def _count_measured(counts: Float, *, is_stopped: bool) -> int:
    """Return the number of points before the zeros that pad a stopped scan.

    If the file does not say that the scan was stopped, chance must not explain the zeros: at the
    lowest of the counts before them, their points would have 50 counts or more.
    """
    counted = np.flatnonzero(counts)
    end = int(counted[-1]) + 1 if counted.size else 0
    if is_stopped:
        return end
    before = counts[max(end - _TRIED, 0) : end]
    if before.size < _TRIED // 5 or not before.min() * (counts.size - end) > _LEAST_MISSING:
        return counts.size
    return end


def _read_1(file: DataFile) -> Iterator[Scan | None]:
    content = file.content
    at, more, i = 4, 1, 0
    while more and not _is_at_end(file, at, i):
        if content[at : at + 4] == b"RAW ":  # early programs did not repeat it
            at += 4
        n, time, step = _unpack(content, "Iff", at)
        start = _unpack(content, "f", at + 20)
        alpha_1, alpha_2 = _unpack(content, "ff", at + 68)
        more = _unpack(content, "I", at + 148)
        metadata = select_possible(
            wavelength=alpha_1,
            k_alpha_2=alpha_2,
            counting_time=time,
            sample=_decode_text(content, at + 36, 32),
        )
        counts = _unpack_records(content, at + 152, n, "<f4")
        yield _make_scan(_make_steps(start, step, n), counts, metadata) if n else None
        at, i = at + 152 + 4 * n, i + 1


def _read_2(file: DataFile) -> Iterator[Scan | None]:
    content = file.content
    alpha_1, alpha_2, ratio = _unpack(content, "3f", 190)
    header = select_possible(
        wavelength=alpha_1,
        k_alpha_2=alpha_2,
        k_alpha_ratio=ratio,
        anode=_decode_text(content, 188, 2),
        sample=_decode_text(content, 8, 32),
        time=format_iso_time(_decode_text(content, 168, 20), "day"),
    )
    at = 256
    for i in range(_unpack(content, "H", 4)):
        if _is_at_end(file, at, i):
            return
        length, n = _unpack(content, "HH", at)
        if length < 48:
            raise FormatError(f"a range header has {length} bytes; they have at least 48")
        time, step, start = _unpack(content, "3f", at + 8)
        kelvin = _unpack(content, "H", at + 46)
        said = select_possible(counting_time=time, temperature=kelvin if kelvin < 0xFFFF else None)
        counts = _unpack_records(content, at + length, n, "<f4")
        yield _make_scan(_make_steps(start, step, n), counts, {**header, **said}) if n else None
        at += length + 4 * n


def _read_3(file: DataFile) -> Iterator[Scan | None]:
    content = file.content
    alpha_1, alpha_2, _, ratio = _unpack(content, "4d", 624)
    date = f"{_decode_text(content, 16, 10)} {_decode_text(content, 26, 10)}"
    header = select_possible(
        wavelength=alpha_1,
        k_alpha_2=alpha_2,
        k_alpha_ratio=ratio,
        anode=_decode_text(content, 608, 4),
        sample=_decode_text(content, 326, 60),
        time=format_iso_time(date, "month"),
    )
    at = 712
    is_stopped = _unpack(content, "I", 8) in _STOPPED_3
    for i in range(_unpack(content, "I", 12)):
        if _is_at_end(file, at, i):
            return
        length, n = _unpack(content, "II", at)
        record, extra = _unpack(content, "II", at + 252)
        if length < 260 or not 4 <= record <= _LONGEST_RECORD:
            raise FormatError(
                f"a range header of {length} bytes states {record} bytes a point; they have at "
                f"least 260, and 4 to {_LONGEST_RECORD}"
            )
        first = at + length + extra
        yield _read_range_3(content, at, first, header, is_stopped=is_stopped)
        at = first + n * record


def _read_range_3(
    content: bytes, at: int, first: int, header: Metadata, *, is_stopped: bool
) -> Scan | None:
    n = _unpack(content, "I", at + 4)
    theta, start, chi, phi, x, y, z = _unpack(content, "7d", at + 8)
    step, _, time, scan_type = _unpack(content, "ddfI", at + 176)
    voltage, current = _unpack(content, "II", at + 224)
    varying, record = _unpack(content, "II", at + 248)
    points = _unpack_records(content, first, n, _make_dtype_3(varying, record))
    if scan_type not in _OVER_TWO_THETA_3 or not n:
        return None
    said = select_possible(
        counting_time=time,
        temperature=_unpack(content, "f", at + 212),
        voltage=voltage,
        current=current,
        omega=theta if scan_type == _DETECTOR_SCAN_3 else None,
        chi=chi,
        phi=phi,
        x=x,
        y=y,
        z=z,
    )
    is_listed = "two_theta" in points.dtype.names
    two_theta = np.empty(n) if is_listed and points.size == n else _make_steps(start, step, n)
    if is_listed:
        two_theta[: points.size] = points["two_theta"]
    scan = _make_scan(two_theta, points["counts"], {**header, **said}, is_stopped=is_stopped)
    return _divide_by_times_3(scan, points["time"]) if "time" in points.dtype.names else scan


def _make_dtype_3(varying: int, record: int) -> np.dtype[Any]:
    """Return the layout of a point: its counts, then the parameters that vary."""
    fields = {"counts": ("<f4", 0)}
    for name, bit in (("two_theta", 0), ("time", _TIME_3)):
        offset = 4 + 8 * (varying & ((1 << bit) - 1)).bit_count()
        if varying >> bit & 1 and offset + 8 <= record:
            fields[name] = ("<f8", offset)
    return np.dtype(
        {
            "names": list(fields),
            "formats": [form for form, _ in fields.values()],
            "offsets": [offset for _, offset in fields.values()],
            "itemsize": record,
        }
    )


def _divide_by_times_3(scan: Scan, times: Float) -> Scan:
    """Return a scan whose counting time was recorded with each point."""
    n = times.size
    intensity = scan.intensity.copy()
    intensity[:n], units, time = divide_by_times(intensity[:n], times, scan.units)
    metadata = {name: value for name, value in scan.metadata.items() if name != "counting_time"}
    metadata |= select_possible(counting_time=time)
    return dataclasses.replace(scan, intensity=intensity, units=units, metadata=metadata)


def _read_4(file: DataFile) -> Iterator[Scan | None]:
    content = file.content
    date = f"{_decode_text(content, 12, 12)} {_decode_text(content, 24, 10)}"
    header = select_possible(time=format_iso_time(date, "month"))
    at = 61
    end = len(content.rstrip(b"\0"))  # some programs pad the file
    while at < end:
        if _unpack(content, "I", at) in _RANGE_MARKERS_4:
            at, scan = _read_range_4(content, at, header)
            yield scan
        else:
            length = _find_segment(content, at)
            header |= _read_source_4(content, at, length)
            at += length


def _find_segment(content: bytes, at: int) -> int:
    """Return the length of a segment: kind, length, and what depends on the kind."""
    length = int(_unpack(content, "II", at)[1])
    if length < 8 or at + length > len(content):
        raise FormatError(f"at byte {at} is a segment of {length} bytes, of {len(content)} in all")
    return length


def _read_source_4(content: bytes, at: int, length: int) -> dict[str, float | str]:
    kind = _unpack(content, "I", at)
    if kind == 10 and _decode_text(content, at + 12, 24).upper() == "SAMPLEID":
        return select_possible(sample=_decode_text(content, at + 36, length - 36))
    if kind == 30 and length >= 120:
        alpha_1, alpha_2, _, ratio = _unpack(content, "4d", at + 80)
        return select_possible(
            wavelength=alpha_1,
            k_alpha_2=alpha_2,
            k_alpha_ratio=ratio,
            anode=_decode_text(content, at + 116, 4),
        )
    return {}


def _read_range_4(content: bytes, at: int, header: Metadata) -> tuple[int, Scan | None]:
    """Return the end of a range and its pattern; None if the range has no pattern."""
    start, step, n, time = _unpack(content, "ddIf", at + 72)
    voltage, current, _, used = _unpack(content, "fffd", at + 100)
    record, length = _unpack(content, "II", at + 136)
    first = at + 160 + length
    if first > len(content) or not 4 <= record <= _LONGEST_RECORD:
        raise FormatError(f"a range states {length} bytes of drives and {record} bytes a point")
    # Unknown content follows the intensity (4 bytes in files of DIFFRAC.EVA).
    points = _unpack_records(
        content, first, n, np.dtype([("counts", "<f4"), ("", f"V{record - 4}")])
    )
    end = first + n * record
    drives = list(_read_drives_4(content, at + 160, first))
    scan_type = _decode_text(content, at + 32, 24).lower()
    if not n or not _is_over_two_theta_4(scan_type, start, drives):
        return end, None
    still = {
        name.lower().removesuffix("-drive"): value for name, moves, value in drives if not moves
    }
    said = select_possible(
        wavelength=used,
        counting_time=time,
        voltage=voltage,
        current=current,
        omega=still.get("theta") if scan_type == "detector scan" else None,
        **{name: still.get(name) for name in ("chi", "phi", "x", "y", "z")},
    )
    return end, _make_scan(_make_steps(start, step, n), points["counts"], {**said, **header})


def _read_drives_4(content: bytes, at: int, end: int) -> Iterator[tuple[str, bool, float]]:
    """Return name, whether it moves, and start of each drive of a range."""
    while at < end:
        length = _find_segment(content, at)
        if _unpack(content, "I", at) == 50 and length >= 64:
            moves, start = _unpack(content, "I", at + 8), _unpack(content, "d", at + 56)
            yield _decode_text(content, at + 12, 24), bool(moves), start
        at += length


def _is_over_two_theta_4(
    scan_type: str, start: float, drives: list[tuple[str, bool, float]]
) -> bool:
    """Tell whether the range is over 2Theta: its start is the start of that drive."""
    two_theta = [(moves, value) for name, moves, value in drives if name.lower() == "2theta"]
    known = scan_type in _OVER_TWO_THETA_4
    return (known and not two_theta) or any(
        (known or moves) and abs(value - start) < 1e-3 for moves, value in two_theta
    )


_READERS = {b"RAW1.01": _read_3, b"RAW4.00": _read_4, b"RAW2": _read_2, b"RAW ": _read_1}
