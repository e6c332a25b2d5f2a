"""Scans of SPEC (Certified Scientific Software), and of programs that write its files.

Sources: https://certif.com/spec_manual/user_1_4_1.html and silx's description
(https://www.silx.org/doc/silx/latest/modules/io/specfile.html). `#F` begins a file, `#S number
command` a scan, `#N` counts its columns and `#L` names them, with two blanks between. The first
columns are what the command moves. The last one is, by SPEC's convention, the detector.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from xrdae.convention.axis_kinds import OTHER
from xrdae.errors import FormatError
from xrdae.readers.axis_labels import find_label_axis
from xrdae.readers.counting_times import divide_by_times
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import format_iso_time, parse_number, select_possible
from xrdae.readers.scan import Scan, ScanAxis
from xrdae.readers.text_table import split_lines

Float: TypeAlias = npt.NDArray[np.float64]

_SNIFFED = 200_000  # characters; names of motors fill a few thousand
_FILE = re.compile(r"(?m)^#[FE] ")
_SCAN = re.compile(r"(?m)^#S +(\d{1,9})\b")
_COLUMNS = re.compile(r"(?m)^#N +\d")
_LABELS = re.compile(r"(?m)^#L ")
_KEY = re.compile(r"#([A-Z])(\d{0,3})(?: |$)")
_MOTORS = re.compile(r"(?:[ad](\d)?scan|lup)(?:cc)?$")  # commands that move 1 to 9 motors
_MESH = re.compile(r"mesh|grid")
_DATE = re.compile(r"[A-Za-z]{3} +([A-Za-z]{3}) +(\d\d?) +(\d\d?:\d\d:\d\d) +(\d{4})")
_NO_DETECTOR = re.compile(
    r"(?i)^(?:[hkl]|epoch|sec(?:onds)?|time|live_?time|dead_?time|count_?time|dt|mon(?:itor)?\d*|"
    r"i_?c?0|io|ion\w*|ic\d*|ring|current|srcur|s?r?_?curr?|temp\w*|t_\w+|energy|filters?|trans\w*|atten\w*)$"
)
_DETECTOR = re.compile(r"(?i)det|scint|apd|cyber|pilatus|mythen|nai|vortex|roi|counts?$|intens|^i$")
_ATTENUATED = re.compile(r"(?i)^(?:filters?|trans|transmission|atten\w*)$")
_STILL = ("omega", "chi", "phi")  # motors whose positions are metadata of a scan
_ADVICE = "export the pattern as columns: 2theta, intensity (.xy)"


@dataclasses.dataclass(eq=False)
class _Block:
    """Header and rows of a scan."""

    number: str
    command: str
    keys: dict[str, str]
    rows: list[str]


def is_mine(file: DataFile) -> bool:
    """Tell whether a text has a file header and a scan with columns, as SPEC writes them."""
    if file.text is None or b"#S" not in file.content[:_SNIFFED]:
        return False
    start = file.text[:_SNIFFED].replace("\r", "\n")
    needed = (_FILE, _SCAN, _COLUMNS, _LABELS)
    return start.lstrip()[:1] == "#" and all(p.search(start) for p in needed)


def read_scans(file: DataFile) -> list[Scan]:
    """Return the scans over 2theta, q or d; if there are none, those over one other axis.

    Intensities are those of the detector, in counts, or in counts per second if the counting time
    varies within the scan. Empty scans are left out. Motors have no units in SPEC: an axis of
    another kind has the units 1 unless its name states them.

    Raises
    ------
    FormatError
        If it is not certain which column is the detector, or if there is no scan over one axis.
    """
    scans: list[Scan] = []
    others: list[Scan] = []
    refused: list[str] = []
    for block in _split_blocks(split_lines(file.text or "")):
        if len(block.rows) < 2:
            continue
        labels = _split_labels(block)
        found = _find_axis(block, labels)
        if found is None:
            refused.append(f"{block.number} ({block.command[:40]})")
            continue
        scan = _read_block(block, labels, *found)
        (others if scan.kind == OTHER else scans).append(scan)
    names = {scan.axis.name for scan in others if scan.axis}
    if scans or (len(names) == 1 and not refused):
        return scans or others
    if refused or others:
        seen = refused + sorted(names)
        raise FormatError(f"it holds no scan over 2theta, only {', '.join(seen[:9])}; {_ADVICE}")
    raise FormatError("it holds no scan with points")


def _split_blocks(lines: list[str]) -> list[_Block]:
    blocks: list[_Block] = []
    shared: dict[str, str] = {}
    keys = shared
    in_spectrum = False
    for line in lines:
        if in_spectrum or line.startswith("@"):  # a detector's spectrum, over several lines
            in_spectrum = line.endswith("\\")
        elif line.startswith("#S "):
            number, _, command = line[3:].strip().partition(" ")
            # Names of motors hold for all scans of a file.
            keys = {}
            blocks.append(_Block(number, command.strip(), keys, []))
        elif line.startswith("#"):
            if match := _KEY.match(line):
                target, key = shared if match[1] == "O" else keys, match[1] + match[2]
                value = line[match.end() :].strip()
                if target.setdefault(key, value) != value and key[0] == "O":
                    target[key] = ""  # the order of the motors changed
        elif line.strip() and blocks:
            blocks[-1].rows.append(line)
        elif line.strip():
            raise FormatError(f"it has numbers above its first scan: {line[:40]!r}")
    for name, (key, i, n) in _find_motors(shared).items():
        for block in blocks:
            values = block.keys.get(key, "").split()
            if len(values) == n:
                block.keys[name] = values[i]
    return blocks


def _find_motors(shared: dict[str, str]) -> dict[str, tuple[str, int, int]]:
    """Return the key, the place and the number of positions of the motors of the sample."""
    found: dict[str, tuple[str, int, int]] = {}
    for key, text in shared.items():
        if key[0] == "O":
            names = re.split(r" {2,}", text.lower())
            places = {name: i for i, name in enumerate(names)}
            found |= {m: (f"P{key[1:]}", places[m], len(names)) for m in _STILL if m in places}
    return found


def _split_labels(block: _Block) -> list[str]:
    """Return the names of the columns.

    Raises
    ------
    FormatError
        If they are not as many as the scan says.
    """
    text, n = block.keys.get("L", ""), block.keys.get("N", "").split()
    for delimiter in (r" {2,}|\t", r"\s+"):
        labels = re.split(delimiter, text)
        if n and str(len(labels)) == n[0]:
            return labels
    raise FormatError(
        f"scan {block.number} has {n[0] if n else 'no'} columns by #N, but its #L names: "
        f"{text[:200]}"
    )


def _find_axis(block: _Block, labels: list[str]) -> tuple[int, int, ScanAxis] | None:
    """Return the column of positions, the number of columns that moved, and the axis.

    None if no quantity that can be an axis was moved.
    """
    command = block.command.partition(" ")[0].lower()
    if _MESH.search(command):
        return None
    match = _MOTORS.match(command)
    moved = int(match[1] or 1) if match else 1
    axes = [_name_axis(label) for label in labels[:moved]]
    for kinds in ({"two_theta", "q", "d"}, {OTHER}):
        for i, axis in enumerate(axes):
            if axis is not None and axis.kind in kinds:
                return i, moved, axis
    return None


def _name_axis(label: str) -> ScanAxis | None:
    axis = find_label_axis(label)
    plain = {"q": r"(?i)q(?:vec\w*)?(?![a-z\d])", "d": r"(?i)d(?:$|.?spac| *[(\[/])"}
    if axis is not None and axis.kind in plain and not re.match(plain[axis.kind], label):
        return None  # a motor such as d1
    return axis


def _read_block(block: _Block, labels: list[str], x: int, moved: int, axis: ScanAxis) -> Scan:
    where = f"scan {block.number}"
    try:
        values = np.loadtxt(block.rows, comments=None, ndmin=2)
    except ValueError as error:
        raise FormatError(f"{where}: its columns are broken or cut off: {error}") from error
    if values.shape[1] != len(labels):
        raise FormatError(f"{where}: it names {len(labels)} columns but has {values.shape[1]}")
    y = _find_detector(where, labels, moved)
    for label, column in zip(labels, values.T, strict=True):
        if _ATTENUATED.match(label) and (column != column[0]).any():
            raise FormatError(f"{where}: its attenuation ({label}) varies; {_ADVICE}")
    intensity, units, time = values[:, y].copy(), "counts", None
    seconds = [i for i, label in enumerate(labels) if re.fullmatch(r"(?i)sec(?:onds)?", label)]
    if seconds and "M" not in block.keys:  # else it counted up to a number of the monitor
        intensity, units, time = divide_by_times(intensity, values[:, seconds[0]], units)
    metadata = _read_metadata(block, labels[:moved], time)
    own = axis if axis.kind == OTHER else None
    return Scan(axis.kind, values[:, x] * axis.factor, intensity, None, units, metadata, axis=own)


def _find_detector(where: str, labels: list[str], moved: int) -> int:
    """Return the column of the detector.

    Raises
    ------
    FormatError
        If it is not certain.
    """
    columns = range(moved, len(labels))
    possible = [i for i in columns if not _NO_DETECTOR.match(labels[i])]
    known = [i for i in possible if _DETECTOR.search(labels[i])]
    if len(possible) == 1:
        return possible[0]
    if possible and possible[-1] == columns[-1] and known in ([], [columns[-1]]):
        return columns[-1]
    raise FormatError(
        f"{where}: which of its columns is the detector is not certain: "
        f"{', '.join(labels[i] for i in columns)}; {_ADVICE}"
    )


def _read_metadata(block: _Block, moved: list[str], time: float | None) -> dict[str, float | str]:
    keys = block.keys
    date = _DATE.match(keys.get("D", ""))
    scanned = {name.lower() for name in moved}
    still = {name: parse_number(keys.get(name)) for name in _STILL if name not in scanned}
    return select_possible(
        title=f"{block.number} {block.command}",
        time=format_iso_time(f"{date[2]}-{date[1]}-{date[4]} {date[3]}", "day") if date else None,
        counting_time=time,
        **still,
    )
