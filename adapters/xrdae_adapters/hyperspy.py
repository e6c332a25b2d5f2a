"""HyperSpy and pyxem: a signal of patterns in, a signal of latents on the same navigation axes out.

Facts of the host: the diffraction axis is the one signal axis; navigation axes are listed in
reversed order of the array's; noise is kept as a variance; lazy signals hold dask arrays.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import xarray as xr

from xrdae.axis_kinds import OTHER, UNITS, find_axis_kind, name_kind
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl

_MAIN = ("latent", "synthesized")  # what the signal returned holds, if there; the rest goes along


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Turn a signal with one signal axis into a Dataset; a lazy one stays lazy.

    Returns
    -------
    xarray.Dataset
        `intensity` `(navigation axes ..., axis)` in the order of the array, `intensity_errors` the
        root of the noise variance where there is one, `wavelength` [angstrom] where an
        instrument in `metadata.Acquisition_instrument` states it. The signal axis is called
        `two_theta`, `q` or `d`, as its units say; navigation axes keep their names and units, and
        are `axis_0`, `axis_1` ... by their place in the array where they have none.

    Raises
    ------
    DataError
        If the signal is complex, its signal dimension is not 1, or the units of its signal axis are
        not those of a diffraction axis.
    """
    module = sys.modules.get("hyperspy.signal")
    if module is None or not isinstance(obj, module.BaseSignal):
        return None
    if obj.axes_manager.signal_dimension != 1 or obj.data.dtype.kind == "c":
        raise DataError(
            f"{obj!r} has signal dimension {obj.axes_manager.signal_dimension} and type "
            f"{obj.data.dtype}; patterns are real with one signal axis: integrate 2-D patterns "
            "first (pyxem: signal.get_azimuthal_integral1d), or signal.transpose(signal_axes=1)"
        )
    dims = _dims(obj)
    coords = {}
    for dim, axis in zip(dims, _axes(obj), strict=True):
        units = _text(axis.units) if axis.navigate else _kind_and_units(obj)[1]
        attrs = {"units": units, "long_name": _text(axis.name)}
        coords[dim] = xr.Variable(dim, axis.axis, {k: v for k, v in attrs.items() if v})
    attrs = {"title": obj.metadata.get_item("General.title", "")}
    dataset = xr.Dataset({"intensity": (dims, obj.data, _intensity_attrs(obj))}, coords, attrs)
    variance = obj.get_noise_variance()
    if variance is not None:
        values = getattr(variance, "data", variance)
        dataset["intensity_errors"] = xr.zeros_like(dataset["intensity"], float) + np.sqrt(values)
    wavelength = _wavelength(obj)
    if wavelength is None:
        return dataset
    return dataset.assign_coords(wavelength=((), wavelength, {"units": "angstrom"}))


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Return the latents as a new signal on the navigation axes of this one, which stays as it is.

    Returns
    -------
    xrdae_adapters.hyperspy_signals.XrdaeLatent
        `(navigation axes | latent_axis)`, lazy where the signal is. All other results are signals
        too, on the same navigation axes, in `metadata.xrdae` (`latents.result("novelty")`); bounds
        of regions are arrays there. A result without latents is a plain signal.
    """
    module = sys.modules.get("hyperspy.signal")
    if module is None or not isinstance(obj, module.BaseSignal):
        return None
    main = next(name for name in (*_MAIN, *result.data_vars) if name in result)
    out = _signal(result[main], obj, "xrdae_latent" if main == "latent" else "")
    for node in ("General", "Acquisition_instrument", "Sample"):
        if node in obj.metadata:
            out.metadata.add_dictionary({node: obj.metadata[node].deepcopy().as_dictionary()})
    out.metadata.General.title = f"{main} of {out.metadata.General.title}".removesuffix(" of ")
    for name in result.data_vars:
        if name != main:
            out.metadata.set_item(f"xrdae.{name}", _signal(result[name], obj))
    for name, coord in result.coords.items():
        if str(name).startswith("region_"):
            out.metadata.set_item(f"xrdae.{name}", coord.values)
    for name, value in result.attrs.items():
        if str(name).startswith("xrdae_"):
            out.metadata.set_item(f"xrdae.{str(name).removeprefix('xrdae_')}", value)
    return out


def _axes(signal: Any) -> list[Any]:
    """Return the axes in the order of the array."""
    manager = signal.axes_manager
    axes = (*manager.navigation_axes, *manager.signal_axes)
    return sorted(axes, key=lambda axis: axis.index_in_array)


def _dims(signal: Any) -> list[str]:
    """Return a unique name of each axis, in the order of the array."""
    names: list[str] = []
    for i, axis in enumerate(_axes(signal)):
        name = _text(axis.name)
        if not axis.navigate:
            # By its units: a position [nm] on the sample could be taken for the axis otherwise.
            name, _ = _kind_and_units(signal)
        elif not name or name_kind(name) in UNITS or name in names:
            name = f"{name or 'axis'}_{i}"
        names.append(name)
    return names


def _text(value: Any) -> str:
    """Return a name or units; nothing where HyperSpy's mark says that it is not defined."""
    return value if isinstance(value, str) else ""


def _kind_and_units(signal: Any) -> tuple[str, str]:
    """Return what the signal axis is, and its units in a spelling that is understood.

    Electron diffraction plots k = 1/d; pyxem writes that as `k_A^-1`, and also as plain reciprocal
    units, often in TeX (`pyxem.utils.calibration.unit_equivalents`).
    """
    (axis,) = signal.axes_manager.signal_axes
    name, units = _text(axis.name), _text(axis.units)
    plain = re.sub(r"\\mathrm|[${}]", "", units.replace(r"\AA", "Å"))
    known = _parse(name, plain)
    if known is None:
        raise DataError(
            f"signal axis {name!r} has {f'units {units!r}' if units else 'no units'}, not those of "
            "a diffraction axis; set signal.axes_manager.signal_axes[0].units = '2th_deg', "
            "'q_A^-1', 'k_A^-1' (k = 1/d) or 'angstrom' (d)"
        )
    of_pyxem = type(signal).__module__.startswith("pyxem.")
    is_k = known[0] == "q" and "_" not in plain and (of_pyxem or name.lower() == "k")
    return known[0], f"k_{plain}" if is_k else plain


def _parse(name: str, units: str) -> tuple[str, str] | None:
    kind = find_axis_kind(name or "radial", units).kind if units else OTHER
    return None if kind == OTHER else (kind, units)


def _intensity_attrs(signal: Any) -> dict[str, str]:
    """Return what `metadata.Signal.quantity` says: `Intensity (counts)`."""
    quantity = signal.metadata.get_item("Signal.quantity", "")
    found = re.fullmatch(r"(.*?)\s*\(([^()]*)\)", quantity)
    name, units = found.groups() if found else (quantity, "")
    return {k: v for k, v in {"long_name": name, "units": units.lower()}.items() if v}


def _wavelength(signal: Any) -> float | None:
    """Return the wavelength [angstrom] of the first instrument that states one (pyxem: `TEM`)."""
    instruments = signal.metadata.get_item("Acquisition_instrument", None)
    for node in instruments.as_dictionary().values() if instruments is not None else ():
        value: Any = node.get("wavelength") if isinstance(node, dict) else None
        if value is not None:
            # pyxem keeps angstrom, in a quantity that it labels 1/angstrom: the number counts.
            return float(getattr(value, "magnitude", value))
    return None


def _signal(array: xr.DataArray, like: Any, signal_type: str = "") -> Any:
    """Return a result as a signal: sample dimensions are the navigation axes of `like`."""
    from hyperspy.signals import BaseSignal

    known = {}
    for dim, axis in zip(_dims(like), _axes(like), strict=True):
        if dim not in array.dims:
            continue
        known[dim] = axis.get_axis_dictionary()
        if axis.axis[0] > axis.axis[-1] and array.indexes[dim].is_monotonic_increasing:
            array = array.isel({dim: slice(None, None, -1)})  # results run up the signal axis
    navigation = [dim for dim in known if known[dim]["navigate"]]
    others = [dim for dim in array.dims if dim not in navigation]
    array = array.transpose(*navigation, *others)
    axes = [known.get(str(dim)) or _new_axis(array, str(dim)) for dim in array.dims]
    if not axes:  # one pattern, one number
        array, axes = array.expand_dims("pattern"), [{"size": 1, "name": "pattern"}]
    signal = BaseSignal(array.data, axes=axes)
    if array.chunks:
        signal = signal.as_lazy()
    signal.metadata.General.title = str(array.name)
    signal.metadata.set_item("Signal.quantity", array.attrs.get("long_name", str(array.name)))
    signal.set_signal_type(signal_type)
    return signal


def _new_axis(array: xr.DataArray, dim: str) -> dict[str, Any]:
    """Return the description of an axis that only the result has."""
    axis: dict[str, Any] = {"name": dim, "navigate": dim == "synthetic", "size": array.sizes[dim]}
    centres = array.coords.get("region_center") if dim == "region" else None
    if centres is not None and centres.size > 1 and (np.diff(centres) > 0).all():
        axis |= {"axis": centres.values, "units": centres.attrs.get("units")}
    return axis
