"""Powder patterns in CIF: pdCIF in its old (DDL1) and new (DDLm) spelling.

Items: https://www.iucr.org/resources/cif/dictionaries/cif_pd
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.readers.counting_times import divide_by_times
from xrdae.readers.data_file import DataFile
from xrdae.readers.header_values import select_possible
from xrdae.readers.scan import Scan

if TYPE_CHECKING:
    import gemmi

Float = npt.NDArray[np.float64]
Columns = dict[str, list[str]]

# Processed before measured: corrected for the zero of the instrument, its efficiency and so on.
_POSITIONS = (
    ("two_theta", "_pd_proc_2theta_corrected"),
    ("two_theta", "_pd_proc_2theta_range"),
    ("two_theta", "_pd_meas_2theta_corrected"),
    ("two_theta", "_pd_meas_2theta_scan"),
    ("two_theta", "_pd_meas_2theta_range"),
    ("d", "_pd_proc_d_spacing"),
    ("q", "_pd_proc_recip_len_q"),
)
_AS_MEASURED = {"_pd_meas_2theta_scan", "_pd_meas_2theta_range"}  # an offset belongs to these
_INTENSITIES = {
    "_pd_proc_intensity_total": "1",
    "_pd_meas_counts_total": "counts",
    "_pd_meas_intensity_total": "1",
    "_pd_proc_intensity_net": "1",
    "_pd_proc_intensity_norm": "1",
}
_DIVIDED_BY_TIME = {"_pd_meas_counts_total", "_pd_meas_intensity_total"}  # others are corrected
_LINE_LIST = re.compile(r"_(?:pd_)?refln_|_pd_peak_")  # items of reflections and peaks
_NUMBER = re.compile(r"([+-]?(?:\d+(?:\.(\d*))?|\.(\d+)))(?:\((\d+)\))?(?:[eE]([+-]?\d{1,3}))?")
_SAME_LINE = 0.02  # K-alpha 1 and 2 differ by less, relative; other lines of a tube by more


def is_mine(file: DataFile) -> bool:
    """Tell whether the first line that is no comment begins a data block, and items follow."""
    text = file.text or ""
    for found in re.finditer(r"[^\r\n]+", text[: 2**20]):
        line = found[0]
        if line.strip() and not line.lstrip().startswith("#"):
            return (
                line.lower().startswith("data_")
                and re.search(r"^[ \t]*_\w", text, re.M) is not None
            )
    return False


def read_scans(file: DataFile) -> list[Scan]:
    """Return the measured pattern of each data block that has one, in the order of the file.

    Counts are counts per second if the counting time varies within a pattern. Intensities in a loop
    of reflections or peaks are a list of lines, and are left out. Uncertainties are those in
    parentheses, 5540(160), or of the item ending in `_su`; weights of a least-squares fit are not
    taken for them. Values `?` and `.` are NaN.

    Raises
    ------
    FormatError
        If it is not a CIF, has no pattern over 2theta, d or Q, or holds a list of lines only.
    """
    try:
        from gemmi import cif
    except ModuleNotFoundError as error:
        raise FormatError('CIF needs gemmi: pip install "xrdae[formats]"') from error
    try:
        blocks = [(block.name, _find_columns(block)) for block in cif.read_string(file.text or "")]
    except (ValueError, RuntimeError, IndexError) as error:
        raise FormatError(f"it is no CIF: {error}") from error
    radiations = {tuple(_find_wavelengths(columns).items()) for _, columns in blocks} - {()}
    lines = dict(radiations.pop()) if len(radiations) == 1 else {}
    scans = [scan for name, columns in blocks if (scan := _make_scan(name, columns, lines))]
    if scans:
        return scans
    if any("_atom_site_fract_x" in columns for _, columns in blocks):
        raise FormatError(
            "it holds a crystal structure, not a measured pattern (to simulate patterns, see "
            "xrdae.simulate.cif_patterns)"
        )
    if any(_LINE_LIST.match(tag) for _, columns in blocks for tag in columns):
        raise FormatError(
            "it holds a list of reflections or peaks, which is no pattern; export the measured "
            "points (_pd_meas_ or _pd_proc_ intensities)"
        )
    raise FormatError("it holds no measured powder pattern (_pd_meas_ or _pd_proc_ intensities)")


def _find_columns(block: gemmi.cif.Block) -> Columns:
    """Return the values of all items, by their name in the old spelling.

    A loop of reflections or peaks keeps these items only.
    """
    found: Columns = {}
    for item in block:
        if item.loop is not None:
            # Each access of gemmi's copies all values.
            tags, values = list(map(_simplify_tag, item.loop.tags)), list(item.loop.values)
            is_line_list = any(map(_LINE_LIST.match, tags))
            for i, tag in enumerate(tags):
                if not is_line_list or _LINE_LIST.match(tag):
                    found[tag] = values[i :: len(tags)]
        elif item.pair is not None:
            found[_simplify_tag(item.pair[0])] = [item.pair[1]]
    return found


def _simplify_tag(tag: str) -> str:
    return tag.lower().replace(".", "_")


def _make_scan(name: str, columns: Columns, lines_of_file: dict[str, float]) -> Scan | None:
    for tag in _INTENSITIES:
        intensity, errors = _parse_values(columns.get(tag, []))
        if intensity.size < 2 or not np.isfinite(intensity).any():
            continue
        stated_errors, _ = _parse_values(columns.get(f"{tag}_su", []))
        if stated_errors.size == intensity.size:
            errors = stated_errors
        kind, positions = _find_positions(columns, intensity.size)
        intensity, errors, units, time = _divide_by_times(columns, tag, intensity, errors)
        kept = np.isfinite(positions)  # "." for points left out
        return Scan(
            kind,
            positions[kept],
            intensity[kept],
            errors[kept] if np.isfinite(errors).any() else None,
            units,
            _find_metadata(name, columns, lines_of_file, kind)
            | select_possible(counting_time=time),
        )
    return None


def _parse_values(texts: list[str]) -> tuple[Float, Float]:
    """Return numbers and their standard uncertainties; NaN if missing."""
    values, errors = np.full((2, len(texts)), np.nan)
    for i, text in enumerate(texts):
        match = _NUMBER.fullmatch(text)
        if match:
            mantissa, decimals, only, error, exponent = match.groups()
            values[i] = float(f"{mantissa}e{exponent or 0}")
            if error:
                errors[i] = float(f"{error}e{int(exponent or 0) - len(decimals or only or '')}")
    return values, errors


def _divide_by_times(
    columns: Columns, tag: str, intensity: Float, errors: Float
) -> tuple[Float, Float, str, float | None]:
    """Return intensities, their errors and units, and the counting time of all points [s]."""
    units = _INTENSITIES[tag]
    times, _ = _parse_values(columns.get("_pd_meas_step_count_time", []))
    if tag not in _DIVIDED_BY_TIME:
        is_one = times.size and np.isfinite(times[0]) and (times == times[0]).all()
        return intensity, errors, units, float(times[0]) if is_one else None
    if not np.isfinite(times).any():
        return intensity, errors, units, None
    if times.size not in (0, 1, intensity.size):
        raise FormatError(f"it has {times.size} counting times for {intensity.size} intensities")
    if units == "1":
        stated = _find_text(columns, "_pd_meas_units_of_intensity").lower()
        is_rate = re.search(r"cps|per\s*sec|/\s*s", stated)
        units = "counts/s" if is_rate else "counts" if stated.startswith("count") else "1"
    rates, rate_units, time = divide_by_times(intensity, times, units)
    if rate_units != units:
        errors = errors / times
    return rates, errors, rate_units, time


def _find_positions(columns: Columns, n: int) -> tuple[str, Float]:
    ranges = []
    for kind, tag in _POSITIONS:
        if tag.endswith("_range"):
            low, high, step = (
                _find_number(columns, f"{tag}_{end}") for end in ("min", "max", "inc")
            )
            if low is None or high is None:
                continue
            # Steps are often rounded; the ends and the number of points are better.
            if step is None or abs((high - low) / (n - 1) - step) < 0.01 * abs(step):
                return kind, np.linspace(low, high, n) + _find_offset(columns, tag)
            ranges.append(f"{low:g} to {high:g} in steps of {step:g}")
        else:
            values, _ = _parse_values(columns.get(tag, []))
            if values.size == n and np.isfinite(values).sum() > 1:
                return kind, values + _find_offset(columns, tag)
    if ranges:
        raise FormatError(f"it has {n} intensities for 2theta from {ranges[0]} degree")
    if "_pd_meas_time_of_flight" in columns:
        raise FormatError(
            "its pattern is over time of flight only; export it over d (_pd_proc_d_spacing) or Q"
        )
    raise FormatError(f"it has {n} intensities but no positions of them in 2theta, d or Q")


def _find_offset(columns: Columns, tag: str) -> float:
    """Return what calibration adds to positions [degree]; 0 to those of another kind."""
    if tag not in _AS_MEASURED:
        return 0.0
    offsets, _ = _parse_values(columns.get("_pd_calib_2theta_offset", []))
    offsets = offsets[np.isfinite(offsets)]
    if offsets.size and (offsets != offsets[0]).any():
        raise FormatError(
            "its 2theta_offset differs from point to point; export the corrected positions "
            "(_pd_proc_2theta_corrected)"
        )
    return float(offsets[0]) if offsets.size else 0.0


def _find_number(columns: Columns, *tags: str) -> float | None:
    for tag in tags:
        values, _ = _parse_values(columns.get(tag, [])[:1])
        if values.size and np.isfinite(values[0]):
            return float(values[0])
    return None


def _find_text(columns: Columns, *tags: str) -> str:
    from gemmi import cif

    for tag in tags:
        text = " ".join(cif.as_string(columns.get(tag, [""])[0]).split())
        if text not in {"", "?", "."}:
            return str(text)
    return ""


def _find_metadata(
    name: str, columns: Columns, lines_of_file: dict[str, float], kind: str
) -> dict[str, float | str]:
    # Some programs have a separate block for the radiation.
    lines = _find_wavelengths(columns) or lines_of_file
    calibrated, _ = _parse_values(columns.get("_pd_proc_wavelength", []))
    calibrated = calibrated[(calibrated > 0) & (calibrated < 100)]
    if calibrated.size and (calibrated == calibrated[0]).all():
        if "wavelength" not in lines or abs(lines["wavelength"] / calibrated[0] - 1) > _SAME_LINE:
            lines = {}
        lines = lines | {"wavelength": float(calibrated[0])}
    elif calibrated.size and kind == "two_theta":
        raise FormatError(
            f"its wavelength varies from {calibrated.min():g} to {calibrated.max():g} angstrom; "
            "export it over d (_pd_proc_d_spacing) or Q"
        )
    return lines | select_possible(
        title=name,
        sample=_find_text(columns, "_chemical_name_common", "_chemical_name_mineral"),
        temperature=_find_number(columns, "_diffrn_ambient_temperature"),
        time=_find_text(columns, "_pd_meas_datetime_initiated"),
        anode=_find_text(columns, "_diffrn_source_target"),
        instrument=_find_text(columns, "_diffrn_measurement_device_type", "_diffrn_source_make"),
    )


def _find_wavelengths(columns: Columns) -> dict[str, Any]:
    """Return the strongest line, and K-alpha 2 if it is next to it; neutrons have longer ones."""
    stem = "_diffrn_radiation_wavelength"
    values = next(
        (v for tag in (stem, f"{stem}_value", f"{stem}_wavelength") if (v := columns.get(tag))), []
    )
    lines, _ = _parse_values(values)
    weights, _ = _parse_values(columns.get(f"{stem}_wt", []))
    if weights.size != lines.size or not np.isfinite(weights).all():
        weights = np.ones(lines.size)
    usable = np.flatnonzero((lines > 0) & (lines < 100))
    if not usable.size:
        return {}
    first = usable[np.argmax(weights[usable])]
    found = {"wavelength": float(lines[first])}
    second = usable[(usable != first) & (abs(lines[usable] / lines[first] - 1) < _SAME_LINE)]
    if second.size == 1 and lines[second[0]] > lines[first]:
        found["k_alpha_2"] = float(lines[second[0]])
        if f"{stem}_wt" in columns and weights[first] > 0:
            found["k_alpha_ratio"] = float(weights[second[0]] / weights[first])
    return found
