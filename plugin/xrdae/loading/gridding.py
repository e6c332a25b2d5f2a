"""Scans of one or many files on one grid, as one Dataset by the convention."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae import readers
from xrdae.convention.axes import SAME_WAVELENGTH, Axis
from xrdae.convention.axis_kinds import OTHER, UNITS
from xrdae.convention.patterns import find_patterns
from xrdae.convention.regridding import Regrid, make_regridder
from xrdae.errors import DataError, FormatError, warn
from xrdae.readers.data_file import check_loaded
from xrdae.readers.read_options import NOTHING_STATED, ReadOptions
from xrdae.readers.scan import METADATA_UNITS, Scan, ScanAxis
from xrdae.readers.text_header import convert_header_value

Float = npt.NDArray[Any]

MOST_TIMES_FINER = 50  # points of the grid over points of the longest scan


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """The grid to which all patterns are regridded.

    Attributes
    ----------
    axis
        Positions, their kind, and the wavelength that all files share, if they do.
    choice
        Description of how it was chosen.
    """

    axis: Axis
    choice: str


def sort_scan(scan: Scan) -> Scan:
    """Return a scan with increasing positions; points measured at the same one are averaged."""
    steps = np.diff(scan.positions)
    if (steps > 0).all():
        return scan
    if (steps < 0).all():
        order = np.arange(len(steps), -1, -1)
        if scan.axis is not None:  # of kind "other": its direction is kept
            axis = dataclasses.replace(scan.axis, descending=True)
            scan = dataclasses.replace(scan, axis=axis)
        return _replace_points(scan, scan.positions[order], lambda values, _: values[order])
    positions, which = np.unique(scan.positions, return_inverse=True)
    many = np.bincount(which)

    def mean(values: Float, power: int) -> Float:
        total = np.bincount(which, weights=values**power)
        return (total ** (1 / power)) / many

    return _replace_points(scan, positions, mean)


def _replace_points(scan: Scan, positions: Float, taken: Any) -> Scan:
    errors = None if scan.errors is None else taken(scan.errors, 2)
    intensity = taken(scan.intensity, 1)
    return dataclasses.replace(scan, positions=positions, intensity=intensity, errors=errors)


def find_grid(
    scans: Sequence[Scan], positions: npt.ArrayLike | None = None, names: Sequence[str] = ()
) -> Grid:
    """Choose one grid for scans with increasing positions.

    If all scans have the same positions, these are the grid. Otherwise the grid is evenly spaced
    over the union of their ranges, with the median of their steps. It is in q if kinds or
    wavelengths differ.

    Parameters
    ----------
    scans
        At least one.
    positions
        `(point,)`, a grid that the user chose, in the units of the scans' kind.
    names
        Names of the scans' files, for errors.

    Raises
    ------
    DataError
        If kinds or wavelengths differ and a wavelength is missing.
    """
    kind, wavelength = _find_common_kind(scans, names)
    axes = _drop_equal_axes([make_axis(scan) for scan in scans])
    _check_other(axes, names)

    def make(values: Float) -> Axis:
        if kind == OTHER:
            return dataclasses.replace(axes[0], values=values)
        return Axis(kind, values, wavelength)

    if positions is not None:
        chosen = make(np.asarray(positions, dtype=np.float64))
        if chosen.values.ndim != 1 or chosen.values.size < 2 or (np.diff(chosen.values) <= 0).any():
            raise DataError("grid must be increasing positions, at least 2")
        return Grid(chosen, "as given")
    if len(axes) == 1 and axes[0].kind == kind:
        return Grid(make(axes[0].values), "as measured")
    converted = [np.sort(axis.convert(axis.values, kind, axis.wavelength)) for axis in axes]
    converted = [values[np.isfinite(values)] for values in converted]
    step = float(np.median([np.median(np.diff(values)) for values in converted]))
    low, high = min(v[0] for v in converted), max(v[-1] for v in converted)
    n = round((high - low) / step) + 1
    if n > MOST_TIMES_FINER * max(values.size for values in converted):
        raise DataError(
            f"a grid from {low:.6g} to {high:.6g} in steps of {step:.3g} has {n} points; pass "
            "grid=... with fewer"
        )
    units = axes[0].units if kind == OTHER else UNITS[kind]
    return Grid(
        make(low + step * np.arange(n)),
        f"from {low:.6g} to {high:.6g} {units} in steps of {step:.6g}, the median step; "
        "averaged where that is coarser, else interpolated linearly; NaN outside of measured data",
    )


def make_axis(scan: Scan) -> Axis:
    """Return the positions of a scan as an axis."""
    if scan.axis is not None and scan.kind == OTHER:
        own = scan.axis
        return Axis(
            OTHER,
            scan.positions,
            name=own.name,
            units=own.units,
            long_name=own.long_name,
            descending=own.descending,
        )
    return Axis(scan.kind, scan.positions, _read_wavelength(scan))


def _read_wavelength(scan: Scan) -> float | None:
    value = scan.metadata.get("wavelength")
    return float(value) if value is not None else None


def _find_common_kind(scans: Sequence[Scan], names: Sequence[str]) -> tuple[str, float | None]:
    """Return the kind of the grid, and the one wavelength of all scans, if there is one."""
    kinds = {scan.kind for scan in scans}
    stated = [_read_wavelength(scan) for scan in scans]
    known = [value for value in stated if value is not None]
    differ = bool(known) and max(known) > min(known) * (1 + SAME_WAVELENGTH)
    shared = known[0] if len(known) == len(stated) and not differ else None
    if len(kinds) == 1 and ("two_theta" not in kinds or not differ):
        return kinds.pop(), shared
    lacking = [i for i, scan in enumerate(scans) if scan.kind == "two_theta" and stated[i] is None]
    if lacking:
        which = f" ({', '.join(names[i] for i in lacking[:5])})" if names else ""
        raise DataError(
            f"{len(lacking)} of {len(scans)} scans have no wavelength{which}, and the others have "
            "another wavelength or are not in two_theta, so they cannot be converted to q; "
            "open them separately"
        )
    return "q", shared


def _check_other(axes: Sequence[Axis], names: Sequence[str]) -> None:
    """Refuse scans along different quantities, or the same in different units."""
    titles = dict.fromkeys(axis.title for axis in axes)
    if any(axis.kind == OTHER for axis in axes) and len(titles) > 1:
        some = f" (the first: {names[0]})" if names else ""
        raise DataError(
            f"the scans run along {' and '.join(titles)}{some}, which are not converted into each "
            "other; open them separately"
        )


def _drop_equal_axes(axes: Sequence[Axis]) -> list[Axis]:
    found: list[Axis] = []
    for axis in axes:
        if not any(axis.is_same_as(other) for other in found):
            found.append(axis)
    return found


class Gridder:
    """Regrids scans to a grid. The weights of the latest axes are kept."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self._met: list[tuple[Axis, Regrid]] = []

    def __call__(self, scan: Scan) -> tuple[Float, Float | None]:
        """Return intensity and errors `(point,)` of a scan with increasing positions."""
        regrid = self._regrid(make_axis(scan))
        errors = None if scan.errors is None else regrid.errors(scan.errors)
        return regrid(scan.intensity), errors

    def _regrid(self, axis: Axis) -> Regrid:
        for met, regrid in self._met:
            if axis.is_same_as(met):
                return regrid
        regrid = make_regridder(axis, self.grid.axis)
        self._met = [(axis, regrid), *self._met[:7]]
        return regrid


def merge_scans(
    scans: Sequence[Scan], sizes: Mapping[str, int], grid: Grid, *, units_matter: bool = True
) -> xr.Dataset:
    """Return scans as one Dataset.

    Parameters
    ----------
    scans
        Scans with increasing positions, in the order of the sample dimensions.
    sizes
        Sample dimensions and their sizes; empty for one scan.
    grid
        The grid to which their patterns are regridded.
    units_matter
        Warn if their intensities are in different units.
    """
    gridder = Gridder(grid)
    parts = [gridder(scan) for scan in scans]
    shape = (*sizes.values(), grid.axis.values.size)
    dims = (*sizes, grid.axis.name)
    units = sorted({scan.units for scan in scans})
    if len(units) > 1 and units_matter:
        warn(
            f"intensities are in {' and '.join(units)} and are not converted; a model scales "
            "each pattern separately"
        )
    attrs = {"units": units[0] if len(units) == 1 else "1"}
    intensity = np.stack([part[0] for part in parts]).reshape(shape)
    if np.isnan(intensity).all():
        low, high = scans[0].positions[[0, -1]]
        raise DataError(
            f"the grid ({grid.axis.name}) does not overlap the measured range; the first pattern "
            f"covers {low:.6g} to {high:.6g} ({make_axis(scans[0]).name}); choose another grid"
        )
    variables: dict[str, Any] = {
        "intensity": (dims, intensity, {**attrs, "long_name": "intensity"})
    }
    if any(part[1] is not None for part in parts):
        unknown = np.full(shape[-1], np.nan)
        errors = np.stack([unknown if part[1] is None else part[1] for part in parts])
        long_name = {"long_name": "standard deviation of the intensity"}
        variables["intensity_errors"] = (dims, errors.reshape(shape), {**attrs, **long_name})
    coords = {**merge_metadata(scans, sizes), **make_axis_coordinate(grid)}
    dataset = xr.Dataset(variables, coords, {"xrdae_grid": grid.choice})
    return restore_direction(dataset, grid.axis)


def restore_direction(dataset: xr.Dataset, axis: Axis) -> xr.Dataset:
    """Return a dataset whose axis runs as it did in the files, if it is of kind "other"."""
    if axis.kind != OTHER or not axis.descending:
        return dataset
    return dataset.isel({axis.name: slice(None, None, -1)})


def warn_of_notes(scans: Sequence[Scan]) -> None:
    """Warn once of each note that readers left in scans."""
    notes = Counter(note for scan in scans for note in dict.fromkeys(scan.notes))
    for note, n in notes.items():
        warn(f"{n} of {len(scans)} patterns: {note}" if len(scans) > 1 else note)


def read_scans(path: Path, options: ReadOptions = NOTHING_STATED) -> list[Scan]:
    """Return the scans of a file, with increasing positions."""
    found = readers.read_file(path, options)
    if not isinstance(found, xr.Dataset):
        return [sort_scan(scan) for scan in found]
    try:
        # Links of HDF5 files lead to other files, which hold numbers too.
        check_loaded(found.nbytes, found.encoding.get("stored_bytes", path.stat().st_size))
        scans = split_dataset(found)
        readers.check(scans)
    except (DataError, FormatError) as error:
        raise FormatError(f"{path}: {error}") from error
    return [sort_scan(scan) for scan in scans]


def split_dataset(dataset: xr.Dataset) -> list[Scan]:
    """Return every pattern of a labelled file, read now, with its labels as metadata."""
    patterns = find_patterns(dataset)
    array = patterns.intensity.load()
    rows = array.values.reshape(-1, array.shape[-1])
    errors = dataset.get(f"{array.name}_errors")
    spread = None
    if errors is not None:
        oriented = errors.transpose(*array.dims)
        if patterns.axis.descending:  # by position: labels may repeat
            oriented = oriented.isel({patterns.dim: slice(None, None, -1)})
        spread = oriented.values.reshape(rows.shape)
    samples = array.isel({patterns.dim: 0}, drop=True)
    metadata: list[dict[str, float | str]] = [{} for _ in rows]
    for name, coord in samples.coords.items():
        values = _convert_label(str(name), coord.broadcast_like(samples))
        if values is not None:
            for item, value in zip(metadata, values.flat, strict=True):
                item[str(name)] = value.item() if values.dtype.kind in "biuf" else str(value)
    if patterns.axis.wavelength is not None:
        for item in metadata:
            item["wavelength"] = patterns.axis.wavelength
    units = str(array.attrs.get("units", "1"))
    others = {
        str(name): str(coord.attrs["units"])
        for name, coord in samples.coords.items()
        if name not in METADATA_UNITS and "units" in coord.attrs
    }
    axis = patterns.axis
    named = ScanAxis(OTHER, 1.0, axis.name, axis.units, axis.long_name, axis.descending)
    own = named if axis.kind == OTHER else None
    return [
        Scan(axis.kind, axis.values, row, e, units, item, others, own)
        for row, e, item in zip(
            rows, [None] * len(rows) if spread is None else spread, metadata, strict=True
        )
    ]


def _convert_label(name: str, label: xr.DataArray) -> npt.NDArray[Any] | None:
    """Return a label in the units of `METADATA_UNITS`; None if its units cannot be converted."""
    units = str(label.attrs.get("units", ""))
    if label.dtype.kind not in "iuf" or name not in METADATA_UNITS or not units:
        return label.values
    zero, one = (convert_header_value(value, units, METADATA_UNITS[name]) for value in (0.0, 1.0))
    return None if zero is None or one is None else zero + (one - zero) * label.values


def make_axis_coordinate(grid: Grid) -> dict[str, Any]:
    """Return the coordinate of the axis."""
    axis = grid.axis
    return {axis.name: (axis.name, axis.values, axis.attrs)}


def merge_metadata(scans: Sequence[Scan], sizes: Mapping[str, int]) -> dict[str, tuple[Any, ...]]:
    """Return the metadata of scans as coordinates. Metadata that all scans share are scalar."""
    metadata = [scan.metadata for scan in scans]
    units_of = dict(METADATA_UNITS)
    for scan in scans:
        units_of |= scan.label_units
    names = dict.fromkeys(name for item in metadata for name in item)
    coords: dict[str, tuple[Any, ...]] = {}
    for name in names:
        values = [item.get(name) for item in metadata]
        array = _parse_times(values) if name == "time" else _make_column(values)
        attrs = {"units": units_of[name]} if name in units_of else {}
        if None not in values and (array == array[0]).all():
            coords[name] = ((), array[0], attrs)
        else:
            coords[name] = (tuple(sizes), array.reshape(tuple(sizes.values())), attrs)
    return coords


def _make_column(values: Sequence[Any]) -> npt.NDArray[Any]:
    """Return an array of numbers, NaN where missing, or of texts, empty where missing."""
    if all(value is None or isinstance(value, int | float) for value in values):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(["" if value is None else str(value) for value in values])


def _parse_times(values: Sequence[Any]) -> npt.NDArray[Any]:
    """Return times, in UTC if they have a time zone. If one cannot be parsed, return texts."""
    times = []
    for value in values:
        try:
            time = datetime.datetime.fromisoformat(str(value)) if value else None
        except ValueError:
            return _make_column(values)
        if time is not None and not 1900 < time.year < 2200:  # some programs write such empty dates
            time = None
        if time is not None and time.tzinfo is not None:
            time = time.astimezone(datetime.UTC).replace(tzinfo=None)
        times.append(np.datetime64("NaT" if time is None else time, "ns"))
    return np.array(times)
