"""GSAS powder data of constant wavelength and time of flight: STD, ESD, FXYE and FXY.

Source: A. C. Larson and R. B. Von Dreele, General Structure Analysis System (GSAS), Los Alamos
National Laboratory Report LAUR 86-748, "GSAS Standard Powder Data File". Records of 80
characters: a title, comments behind `#`, then for each bank

    BANK number channels records CONS start step 0 0 TYPE

with start and step in centidegrees of 2theta; SLOG, RALF and TIME_MAP instead of CONS are times of
flight, see `gsas_times`. STD (the default) holds 10(I2,F6.0): how many
detectors contributed, where more than one, and their mean counts; ESD holds 10F8.0: pairs of
intensity and standard deviation; FXYE (FXY) three (two) free columns: position in centidegrees or
microseconds, intensity and standard deviation.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.gsas_times import AXIS, MAP, check_times, find_times, read_time_map
from xrdae.readers.gsas_times import KINDS as TIMES
from xrdae.readers.scan import Scan
from xrdae.readers.text_header import find_metadata
from xrdae.readers.text_table import split_lines

Float: TypeAlias = npt.NDArray[np.float64]

_BANK = re.compile(
    r"BANK\s+(?P<number>\d{1,9})\s+(?P<n>\d{1,9})\s+\d+\s+(?P<bins>[A-Z]\w*)(?P<rest>.*)$"
)
_SNIFFED = 100_000  # characters; comments before the first bank are fewer
_RECORD = 80
_LEAST_END = 1.85  # degree; patterns that end below are in degree instead of centidegrees
_FIELD = 8
_PER_RECORD = 10


def is_mine(file: DataFile) -> bool:
    """Tell whether a text has a BANK record."""
    return b"BANK" in file.content[:_SNIFFED] and any(
        map(_BANK.match, _split_records(_decode_text(file)[:_SNIFFED]))
    )


def read_scans(file: DataFile) -> list[Scan]:
    """Return one scan a bank, over 2theta in degree or over the time of flight in microseconds.

    Intensities over the time of flight are those of the channels, which are not equally wide. The
    positions of STD and ESD data are the times at which the channels begin. Bank 0, the monitor, is
    left out beside others. Points behind the announced number, as of a repeated record, are too.

    The standard deviation of STD data is `sqrt(counts / detectors)`; zero, as in the other types,
    where GSAS does not use the point.

    Raises
    ------
    FormatError
        If a bank is cut off, its positions are not known, or it is over energies.
    """
    records = _split_records(_decode_text(file))
    starts = [i for i, record in enumerate(records) if _BANK.match(record) or MAP.match(record)]
    header = find_metadata(records[1 : starts[0]])
    if title := re.sub(r"[^\x20-\x7e]+.*", "", records[0]).strip() if starts[0] else "":
        header.setdefault("title", title)
    banks: list[tuple[re.Match[str], list[str]]] = []
    maps: dict[int, Float] = {}
    for start, end in zip(starts, [*starts[1:], len(records)], strict=True):
        rows = [row for row in records[start + 1 : end] if row.strip() and row[0] != "#"]
        if match := _BANK.match(records[start]):
            banks.append((match, rows))
        else:
            number, values = read_time_map(records[start], rows)
            maps[number] = values
    measured = [(match, rows) for match, rows in banks if int(match["number"])] or banks
    scans: list[Scan] = []
    for match, rows in measured:
        try:
            scan = _read_bank(match, rows, maps)
        except FormatError as error:
            raise FormatError(f"bank {len(scans) + 1}: {error}") from error
        bank = {"bank": float(match["number"])} if scan.axis and len(measured) > 1 else {}
        scans.append(dataclasses.replace(scan, metadata={**header, **bank}))
    return scans


def _decode_text(file: DataFile) -> str:
    """Return the content as text. Titles may contain zeros and other bytes."""
    return file.text if file.text is not None else file.content.decode("latin-1")


def _split_records(text: str) -> list[str]:
    """Return the records, which direct-access files do not end."""
    if len(text) > _RECORD and "\n" not in text[:4096] and "\r" not in text[:4096]:
        return [text[i : i + _RECORD] for i in range(0, len(text), _RECORD)]
    return split_lines(text)


def _read_bank(match: re.Match[str], rows: list[str], maps: Mapping[int, Float]) -> Scan:
    words = match["rest"].split()
    form = next((word for word in words if word.isalpha()), "STD")
    bins = match["bins"]
    if bins not in {"CONS", "CONST", *TIMES}:
        raise FormatError(
            f"its channels are {bins}; only CONS, 2theta at constant wavelength, and times of "
            f"flight ({', '.join(TIMES)}) can be read"
        )
    if form not in {"STD", "ESD", "FXYE", "FXY"}:
        raise FormatError(f"data of type {form} cannot be read; STD, ESD, FXYE and FXY can")
    n = int(match["n"])
    if not rows or n < 1:
        raise FormatError("it holds no data")
    positions: Float | None = None
    try:
        if form in {"FXYE", "FXY"}:
            values = np.loadtxt(rows, comments=None, usecols=range(len(form) - 1), ndmin=2)
            positions, intensity = values[:, 0].copy(), values[:, 1].copy()
            errors = values[:, 2].copy() if form == "FXYE" else None
        else:
            intensity, errors = (_read_std if form == "STD" else _read_esd)(rows, n)
    except ValueError as error:
        raise FormatError(f"its {form} data are broken: {error}") from error
    if not n <= len(intensity) <= n + _PER_RECORD:  # some programs repeat the last record
        raise FormatError(
            f"its header announces {n} points, but {len(intensity)} follow; "
            + ("the file is cut off" if len(intensity) < n else "correct the number")
        )
    errors = None if errors is None else errors[:n]
    units = "counts" if form == "STD" else "1"
    axis = AXIS if bins in TIMES else None
    positions = _find_positions(bins, words, n, maps) if positions is None else positions[:n]
    if axis and form in {"FXYE", "FXY"}:
        check_times(bins, words, positions)
    elif axis is None:
        positions = positions / 100
        if positions.max() < _LEAST_END:
            raise FormatError(
                f"its positions end at {100 * positions.max():g}, which is {positions.max():g} "
                "degree, since GSAS counts in centidegrees; if they are in degree, multiply them "
                "by 100, or export the pattern as columns (.xy)"
            )
    kind = "two_theta" if axis is None else axis.kind
    return Scan(kind, positions, intensity[:n], errors, units, axis=axis)


def _find_positions(bins: str, words: list[str], n: int, maps: Mapping[int, Float]) -> Float:
    """Return the positions of n channels [centidegree or us]."""
    if bins in TIMES:
        return find_times(bins, words, n, maps)
    try:
        start, step = (float(word) for word in words[:2])
    except ValueError as error:
        raise FormatError(f"its BANK record states no start and step: {error}") from error
    return np.asarray(start + step * np.arange(n))


def _read_std(rows: list[str], n: int) -> tuple[Float, Float]:
    words = [word for row in rows for word in row.split()]
    if max(map(len, words)) < _FIELD - 1 and _is_free(rows, words, n):
        counts = np.array(_remove_padding(words, n), np.float64)  # one detector
        return counts, np.sqrt(np.maximum(counts, 0))
    fields = _remove_padding(_split_fields(rows), n)
    detectors = np.array([max(int(field[:2].strip() or 1), 1) for field in fields], np.float64)
    counts = np.array([float(field[2:].strip() or 0) for field in fields])
    return counts, np.sqrt(np.maximum(counts, 0) / detectors)


def _read_esd(rows: list[str], n: int) -> tuple[Float, Float]:
    words = [word for row in rows for word in row.split()]
    fields = _remove_padding(words if len(words) == 2 * n else _split_fields(rows), 2 * n)
    if len(fields) % 2:
        raise ValueError("the last intensity has no standard deviation")
    values = np.array([float(field) for field in fields])
    return values[::2], values[1::2]


def _is_free(rows: list[str], words: list[str], n: int) -> bool:
    """Tell whether blanks separate the counts, so that they need no fixed columns."""
    return len(words) == n or (
        len(words) > n > _PER_RECORD and max(len(row.split()) for row in rows) <= _PER_RECORD
    )


def _split_fields(rows: list[str]) -> list[str]:
    """Return the fields of 8 characters, which need not be parted by blanks."""
    return [
        row[k : k + _FIELD] for row in map(str.rstrip, rows) for k in range(0, len(row), _FIELD)
    ]


def _remove_padding(fields: list[str], n: int) -> list[str]:
    """Drop the zeros behind the n-th value that fill up a record; more points are kept."""
    last = len(fields)
    while last > n and not fields[last - 1].strip(" 0."):
        last -= 1
    return fields[:last]
