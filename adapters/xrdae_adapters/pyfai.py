"""pyFAI: converts `Integrate1dResult`, `Integrate2dResult` (a cake) and lists of them, both ways.

`xrdae_to_dataset` and `xrdae_attach` are the hooks. `to_results` converts a Dataset to results.
"""

from __future__ import annotations

import copy
import numbers
import sys
from collections.abc import Hashable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae import provenance
from xrdae.convention.axis_kinds import LONG_NAMES
from xrdae.convention.names import AXIS, AXIS_ATTRIBUTE, RESULTS
from xrdae.convention.patterns import Patterns, find_patterns
from xrdae.convention.units import is_same_units
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl

METADATA = "xrdae"  # key of the results in `result.metadata`, the only free place in pyFAI results

_DIM_AND_UNITS = {
    "2th_deg": ("two_theta", "degree"),
    "2th_rad": ("two_theta", "radian"),
    "q_A^-1": ("q", "1/angstrom"),
    "q_nm^-1": ("q", "1/nm"),
    "qtot_A^-1": ("q", "1/angstrom"),
    "qtot_nm^-1": ("q", "1/nm"),
    "d_A": ("d", "angstrom"),
    "d_nm": ("d", "nm"),
    "d_m": ("d", "m"),
}
_UNIT = {"two_theta": "2th_deg", "q": "q_A^-1", "d": "d_A"}
# Endings of the other units of pyFAI, such as r_mm, chi_deg, d*2_A^-2, log10(q.m)_None.
_UNITS = {
    "deg": "degree", "rad": "radian", "A^-1": "1/angstrom", "nm^-1": "1/nm",
    "A^-2": "1/angstrom^2", "nm^-2": "1/nm^2", "None": "1",
}  # fmt: skip
_TAKEN = {"pattern", "azimuth", "wavelength", "intensity", "intensity_errors", "mask"}


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Convert a result of pyFAI, or a list or tuple of results, to a Dataset.

    Parameters
    ----------
    obj
        `Integrate1dResult`, `Integrate2dResult`, or a list or tuple of either.

    Returns
    -------
    Dataset
        `intensity ([pattern,] [azimuth,] axis)`, and `intensity_errors` if all results have
        `sigma`. The axis is `two_theta`, `q` or `d` in the unit of pyFAI; another axis has its name
        in pyFAI (`r`, `chi`, `d*2`). `wavelength` [angstrom] has one value, or along two_theta one
        value for each pattern if they differ. Metadata that are numbers become coordinates. Bins
        without pixels are NaN; pyFAI has 0 there.

    Raises
    ------
    DataError
        If the results differ in kind, unit or grid.

    Examples
    --------
    >>> results = [integrator.integrate1d(image, 1000, unit="2th_deg") for image in images]
    >>> dataset = xrdae.plugins.to_dataset(results)
    """
    results = _list_results(obj)
    if results is None:
        return None
    _check_same_grid(results)
    dim, attrs = _describe_unit(_read_unit(results[0]))
    dims: tuple[str, ...] = (dim,)
    coords: dict[str, Any] = {dim: (dim, results[0].radial, attrs)}
    if _is_cake(results[0]):
        dims = ("azimuth", dim)
        unit = results[0].azimuthal_unit
        units = {"units": _describe_unit(unit)[1]["units"]} if unit is not None else {}
        coords["azimuth"] = ("azimuth", results[0].azimuthal, units)
    sample: tuple[str, ...] = () if results[0] is obj else ("pattern",)
    for name, label in _read_labels(results, dim).items():
        coords[name] = (sample, label if sample else label[0])
    coords |= _read_wavelength(results, sample, dim)
    attrs = {"units": "1", "long_name": "intensity (arbitrary units)", AXIS_ATTRIBUTE: dim}
    shape = (len(results),) * len(sample) + results[0].intensity.shape
    variables = {"intensity": np.stack([_mask_empty(r, r.intensity) for r in results])}
    if all(r.sigma is not None for r in results):
        variables["intensity_errors"] = np.stack([_mask_empty(r, r.sigma) for r in results])
    return xr.Dataset(
        {n: ((*sample, *dims), v.reshape(shape), attrs) for n, v in variables.items()}, coords
    )


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Return copies of the results of pyFAI with the results of xrdae in `metadata["xrdae"]`.

    The copies share their arrays with the originals. Variables along the axis are left out, because
    pyFAI writes metadata as one line of JSON. The bounds of regions are in `axis_units`.
    `provenance` is JSON.

    Examples
    --------
    >>> analyzed = xrdae.analyze(results, model)
    >>> analyzed[0].metadata["xrdae"]["latent"]
    """
    results = _list_results(obj)
    if results is None:
        return None
    if results[0] is obj:
        return _add_metadata(obj, result)
    attached = [
        _add_metadata(r, result.isel(pattern=i, missing_dims="ignore"))
        for i, r in enumerate(results)
    ]
    return attached if isinstance(obj, list) else tuple(attached)


def to_results(dataset: xr.Dataset) -> list[Any]:
    """Return the patterns of a dataset as results of pyFAI, for its writers (`save_NXazint1d`).

    Parameters
    ----------
    dataset
        `intensity (sample dims ..., axis)` by the convention. NaN marks an empty bin.

    Returns
    -------
    list of Integrate1dResult
        One result for each pattern, in degree, 1/angstrom, angstrom, or another unit of pyFAI.
        Labels become metadata. The wavelength is the only geometry. Patterns over two_theta with
        different wavelengths are converted to one axis of q.

    Raises
    ------
    DataError
        If the dataset has no patterns by the convention, or if pyFAI has no unit for their axis.

    Examples
    --------
    >>> synthesized = dataset.xrdae.synthesize(model, between=(0, 10), n=5)
    >>> patterns = synthesized[["synthesized"]].rename(synthesized="intensity", synthetic="pattern")
    >>> results = to_results(patterns)
    """
    patterns = find_patterns(dataset)
    axis, n = patterns.axis, patterns.axis.values.size
    unit = _UNIT.get(axis.kind) or _find_unit(axis.name, axis.units)
    intensity = patterns.intensity.values.reshape(-1, n)
    labels = {name: values.values.ravel() for name, values in patterns.labels().items()}
    errors = None
    if "intensity_errors" in dataset:
        errors = _find_errors(dataset, patterns).reshape(-1, n)
    return [
        _make_result(
            axis.values,
            intensity[i],
            None if errors is None else errors[i],
            unit=unit,
            wavelength=axis.wavelength,
            metadata={name: values[i].item() for name, values in labels.items()},
        )
        for i in range(len(intensity))
    ]


def _list_results(obj: Any) -> list[Any] | None:
    """Return the pyFAI results in an object; None if there are none."""
    containers = sys.modules.get("pyFAI.containers")
    if containers is None:
        return None
    kinds = (containers.Integrate1dResult, containers.Integrate2dResult)
    if isinstance(obj, kinds):  # before lists, because a result is also a tuple
        return [obj]
    if isinstance(obj, list | tuple) and any(isinstance(item, kinds) for item in obj):
        return list(obj)
    return None


def _is_cake(result: Any) -> bool:
    return hasattr(result, "azimuthal")


def _find_errors(dataset: xr.Dataset, patterns: Patterns) -> npt.NDArray[Any]:
    """Return the uncertainties in the shape and order of the patterns."""
    errors = dataset["intensity_errors"]
    intensity = dataset[patterns.intensity.name]
    full = errors.broadcast_like(intensity, exclude=errors.dims).transpose(*intensity.dims)
    replaced = dataset.assign({intensity.name: intensity.copy(data=full.data)})
    return find_patterns(replaced, variable=str(intensity.name)).intensity.values


def _read_unit(result: Any) -> str:
    return str(result.radial_unit if _is_cake(result) else result.unit)


def _describe_unit(unit: Any) -> tuple[str, dict[str, str]]:
    """Return the dimension of a unit of pyFAI, and its attributes units and long_name."""
    text = str(unit)
    if text in _DIM_AND_UNITS:
        dim, units = _DIM_AND_UNITS[text]
        return dim, {"units": units, "long_name": LONG_NAMES[dim]}
    name, _, end = text.rpartition("_")
    # scattering_angle is a component in one direction; it must not be read as two_theta.
    name = name.replace("scattering_angle", "scatangle") or text
    return name, {"units": _UNITS.get(end, end)}


def _find_unit(name: str, units: str) -> str:
    """Return the unit of pyFAI for an axis that is not two_theta, q or d."""
    from pyFAI.units import AZIMUTHAL_UNITS, RADIAL_UNITS

    for unit in (*RADIAL_UNITS, *AZIMUTHAL_UNITS):
        dim, attrs = _describe_unit(unit)
        if dim == name and is_same_units(attrs["units"], units):
            return str(unit)
    raise DataError(
        f"pyFAI has no unit for the axis {name!r} [{units}]; convert the axis to one of "
        f"{', '.join(RADIAL_UNITS)}"
    )


def _check_same_grid(results: list[Any]) -> None:
    """Check that all results have the kind, unit and grid of the first result."""
    first = next(r for r in results if hasattr(r, "radial"))
    for i, other in enumerate(results):
        if type(other) is not type(first):
            raise DataError(
                f"item {i} is a {type(other).__name__} among {type(first).__name__}; pass results "
                "of one kind"
            )
        if _read_unit(other) != _read_unit(first):
            raise DataError(
                f"result {i} is in {_read_unit(other)!r}, result 0 in {_read_unit(first)!r}; "
                "integrate all with the same unit"
            )
        axes = ("radial", "azimuthal") if _is_cake(first) else ("radial",)
        for name in axes:
            grid, first_grid = getattr(other, name), getattr(first, name)
            if not _is_same_grid(grid, first_grid):
                raise DataError(
                    f"result {i} has another {name} grid ({grid.size} bins, {grid[0]:g} to "
                    f"{grid[-1]:g}) than result 0 ({first_grid.size} bins, {first_grid[0]:g} to "
                    f"{first_grid[-1]:g}); integrate all with the same number of bins and range"
                )


def _is_same_grid(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> bool:
    if one.shape != other.shape:
        return False
    step = np.abs(np.diff(other)).min(initial=np.inf)
    return bool(np.allclose(one, other, rtol=0, atol=1e-3 * step))


def _mask_empty(result: Any, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return values with NaN in bins without pixels."""
    return values if result.count is None else np.where(result.count > 0, values, np.nan)


def _read_labels(results: list[Any], dim: str) -> dict[str, npt.NDArray[Any]]:
    """Return metadata whose values are all numbers, with NaN for results without a value."""
    metadata = [dict(result.metadata or {}) for result in results]
    names = dict.fromkeys(name for entries in metadata for name in entries)
    return {
        name: np.array([entries.get(name, np.nan) for entries in metadata])
        for name in names
        if name not in _TAKEN | {dim}
        and all(_is_number(entries[name]) for entries in metadata if name in entries)
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _read_wavelength(results: list[Any], sample: tuple[str, ...], dim: str) -> dict[str, Any]:
    metres = np.array([(r.poni and r.poni.wavelength) or np.nan for r in results])
    if np.isnan(metres).all():
        return {}
    attrs = {"units": "angstrom"}
    if np.allclose(metres, metres[0], rtol=1e-9, atol=0):
        return {"wavelength": ((), metres[0] * 1e10, attrs)}
    # Patterns of an energy scan share an axis of q or d; over two_theta they are converted to q.
    return {"wavelength": (sample, metres * 1e10, attrs)} if dim == "two_theta" else {}


def _add_metadata(host: Any, result: xr.Dataset) -> Any:
    """Return a copy of a pyFAI result with a result of xrdae in its metadata."""
    dim, attrs = _describe_unit(_read_unit(host))
    profiles = [array for name, array in result.data_vars.items() if _is_profile(name)]
    short = result.drop_dims({dim, *(array.dims[-1] for array in profiles)}, errors="ignore")
    center = result.coords.get("region_center")
    units = attrs["units"] if center is None else center.attrs.get("units", attrs["units"])
    names = [*short.data_vars, *(n for n, c in short.coords.items() if c.dims and n not in c.dims)]
    attached = copy.copy(host)
    attached._set_metadata(
        {
            **(host.metadata or {}),
            METADATA: {
                "axis_units": units,
                **{str(n): short[n].values.tolist() for n in names},
                "provenance": result.attrs.get(provenance.ATTRIBUTE, ""),
            },
        }
    )
    return attached


def _is_profile(name: Hashable) -> bool:
    """Tell whether a result lies along the axis. The axis may be q instead of the axis of pyFAI."""
    return str(name) in RESULTS and RESULTS[str(name)].dims[-1:] == (AXIS,)


def _make_result(
    radial: npt.NDArray[Any],
    intensity: npt.NDArray[Any],
    errors: npt.NDArray[Any] | None,
    *,
    unit: str,
    wavelength: float | None,
    metadata: dict[str, float],
) -> Any:
    """Return a pattern as pyFAI returns an integration with one pixel for each bin."""
    from pyFAI.containers import ErrorModel, Integrate1dResult
    from pyFAI.io.ponifile import PoniFile
    from pyFAI.units import to_unit

    result = Integrate1dResult(radial, intensity, errors)
    pixels = np.isfinite(intensity).astype(float)
    result._set_unit(to_unit(unit))
    result._set_poni(PoniFile({"wavelength": None if wavelength is None else wavelength * 1e-10}))
    result._set_sum_signal(intensity)
    result._set_sum_normalization(pixels)
    result._set_sum_normalization2(pixels)
    result._set_count(pixels)
    result._set_error_model(ErrorModel.NO if errors is None else ErrorModel.VARIANCE)
    if errors is not None:
        result._set_sum_variance(errors**2)
        result._set_sem(errors)
        result._set_std(errors)
    result._set_has_mask_applied(False)
    result._set_has_dark_correction(False)
    result._set_has_flat_correction(False)
    result._set_has_solidangle_correction(False)
    result._set_normalization_factor(1.0)
    result._set_weighted_average(True)
    result._set_method_called("xrdae")
    result._set_compute_engine("xrdae")
    result._set_metadata(metadata)
    return result
