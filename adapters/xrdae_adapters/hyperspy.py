"""HyperSpy and pyxem: converts a signal of patterns, and returns latents as a signal.

The latents have the navigation axes of the patterns. In HyperSpy, the signal axis is the axis of
the patterns (diffraction, EELS, EDS, CL). Navigation axes are listed in the reverse order of the
array. Noise is stored as a variance. Lazy signals hold dask arrays.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import xarray as xr

from xrdae import builtin
from xrdae.convention.axis_kinds import OTHER, UNITS, find_axis_kind, find_named_kind
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.convention.units import convert_to_angstrom
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl

_UNNAMED = "signal_axis"
_MAIN = ("latent", "synthesized")  # the returned signal; other results go into its metadata


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Convert a signal with one signal axis to a Dataset. A lazy signal stays lazy.

    Parameters
    ----------
    obj
        `Signal1D`, `pyxem.signals.Diffraction1D`, or another signal with one signal axis.

    Returns
    -------
    xarray.Dataset
        `intensity (navigation axes ..., axis)` in the order of the array. `intensity_errors` is the
        square root of the noise variance, if there is one. `wavelength` [angstrom] is present if
        an instrument in `metadata.Acquisition_instrument` gives it.

        The signal axis is named `two_theta`, `q` or `d` if its name and units tell so. Otherwise
        it keeps its name and units. Without a name it is `signal_axis`; without units its values
        are channel numbers. Navigation axes keep their names and units. Without a name they are
        `axis_0`, `axis_1` ... by their position in the array.

    Raises
    ------
    DataError
        If the signal is complex, if its signal dimension is not 1, or if name and units of its
        signal axis contradict each other.

    Examples
    --------
    >>> signal = hs.load("map.hspy")
    >>> signal.axes_manager.signal_axes[0].units = "2th_deg"
    >>> dataset = xrdae.plugins.to_dataset(signal)
    """
    module = sys.modules.get("hyperspy.signal")
    if module is None or not isinstance(obj, module.BaseSignal):
        return None
    if obj.axes_manager.signal_dimension != 1 or obj.data.dtype.kind == "c":
        raise DataError(
            f"{obj!r} has signal dimension {obj.axes_manager.signal_dimension} and type "
            f"{obj.data.dtype}; patterns must be real with one signal axis: integrate 2-D patterns "
            "(pyxem: signal.get_azimuthal_integral1d), or call signal.transpose(signal_axes=1)"
        )
    dims = _name_dims(obj)
    coords = {}
    signal_dim, signal_units = _name_signal_axis(obj)
    for dim, axis in zip(dims, _list_axes(obj), strict=True):
        units = _read_text(axis.units) if axis.navigate else signal_units
        attrs = {"units": units, "long_name": _read_text(axis.name)}
        coords[dim] = xr.Variable(dim, axis.axis, {k: v for k, v in attrs.items() if v})
    attrs = {"title": obj.metadata.get_item("General.title", "")}
    intensity_attrs = _read_quantity(obj) | {AXIS_ATTRIBUTE: signal_dim}
    dataset = xr.Dataset({"intensity": (dims, obj.data, intensity_attrs)}, coords, attrs)
    variance = obj.get_noise_variance()
    if variance is not None:
        values = getattr(variance, "data", variance)
        dataset["intensity_errors"] = xr.zeros_like(dataset["intensity"], float) + np.sqrt(values)
    wavelength = _read_wavelength(obj)
    if wavelength is None or "wavelength" in dims:
        return dataset
    return dataset.assign_coords(wavelength=((), *wavelength))


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Return the latents as a new signal with the navigation axes of the patterns.

    Parameters
    ----------
    obj
        Signal of the patterns. It is not changed.
    result
        Result for these patterns.

    Returns
    -------
    xrdae_adapters.hyperspy_signals.XrdaeLatent
        `(navigation axes | latent_axis)`, lazy if the signal is lazy. The other results are signals
        with the same navigation axes in `metadata.xrdae`; read them with
        `latents.result("novelty")`. Bounds of regions are arrays there. A result without latents
        is a plain signal. Attributes of a result, such as the flags of `cluster`, are in
        `metadata.xrdae_attributes` of its signal.

    Examples
    --------
    >>> latents = xrdae.analyze(signal, model)
    >>> latents.result("relevance").plot()
    """
    dataset = xrdae_to_dataset(obj)
    if dataset is None:
        return None
    attached = builtin.xrdae_attach(dataset, result)  # in the order of the host's axes
    assert attached is not None
    main = next(name for name in (*_MAIN, *result.data_vars) if name in result)
    out = _make_signal(attached[main], obj, "xrdae_latent" if main == "latent" else "")
    for node in ("General", "Acquisition_instrument", "Sample"):
        if node in obj.metadata:
            out.metadata.add_dictionary({node: obj.metadata[node].deepcopy().as_dictionary()})
    out.metadata.General.title = f"{main} of {out.metadata.General.title}".removesuffix(" of ")
    for name in result.data_vars:
        if name != main:
            out.metadata.set_item(f"xrdae.{name}", _make_signal(attached[name], obj))
    for name, coord in result.coords.items():
        if str(name).startswith("region_"):
            out.metadata.set_item(f"xrdae.{name}", coord.values)
    for name, value in result.attrs.items():
        if str(name).startswith("xrdae_"):
            out.metadata.set_item(f"xrdae.{str(name).removeprefix('xrdae_')}", value)
    return out


def _list_axes(signal: Any) -> list[Any]:
    """Return the axes in the order of the array."""
    manager = signal.axes_manager
    axes = (*manager.navigation_axes, *manager.signal_axes)
    return sorted(axes, key=lambda axis: axis.index_in_array)


def _name_dims(signal: Any) -> list[str]:
    """Return a unique name for each axis, in the order of the array."""
    signal_dim, _ = _name_signal_axis(signal)
    names: list[str] = []
    for i, axis in enumerate(_list_axes(signal)):
        name = _read_text(axis.name)
        if not axis.navigate:
            name = signal_dim
        elif not name or find_named_kind(name) in UNITS or name in (*names, signal_dim):
            name = f"{name or 'axis'}_{i}"
        names.append(name)
    return names


def _read_text(value: Any) -> str:
    """Return a name or units; an empty text if HyperSpy marks it as undefined."""
    return value if isinstance(value, str) else ""


def _name_signal_axis(signal: Any) -> tuple[str, str]:
    """Return the dimension name and the units of the signal axis.

    Units of diffraction axes are returned in a spelling that xrdae reads. Electron diffraction
    plots k = 1/d. pyxem writes its units as `k_A^-1`, or as plain reciprocal units of an axis named
    "Radius", often in TeX (`pyxem.utils.calibration.unit_equivalents`).
    """
    (axis,) = signal.axes_manager.signal_axes
    name, units = _read_text(axis.name), _read_text(axis.units).strip()
    plain = re.sub(r"\\mathrm|[${}]", "", units.replace(r"\AA", "Å"))
    is_pyxem = type(signal).__module__.startswith("pyxem.")
    known = "radial" if not name or (is_pyxem and name == "Radius") else name
    how = (
        "set signal.axes_manager.signal_axes[0].units = '2th_deg', 'q_A^-1', 'k_A^-1' (k = 1/d) or "
        "'angstrom' (d), or correct signal.axes_manager.signal_axes[0].name"
    )
    if not units:
        if find_named_kind(known) in UNITS:
            raise DataError(f"signal axis {name!r} has no units; {how}")
        return name or _UNNAMED, ""
    try:
        kind = find_axis_kind(known, plain, values=np.asarray(axis.axis, dtype=np.float64)).kind
    except DataError as error:
        raise DataError(f"signal axis {name!r} with units {units!r}: {error}; {how}") from error
    if kind == OTHER:
        return name or _UNNAMED, units
    is_k = kind == "q" and "_" not in plain and (is_pyxem or name.lower() == "k")
    return kind, f"k_{plain}" if is_k else plain


def _read_quantity(signal: Any) -> dict[str, str]:
    """Return long_name and units from `metadata.Signal.quantity`, such as `Intensity (counts)`."""
    quantity = signal.metadata.get_item("Signal.quantity", "")
    match = re.fullmatch(r"(.*?)\s*\(([^()]*)\)", quantity)
    name, units = match.groups() if match else (quantity, "")
    return {k: v for k, v in {"long_name": name, "units": units.lower()}.items() if v}


def _read_wavelength(signal: Any) -> tuple[float, dict[str, str]] | None:
    """Return the wavelength of the first instrument that gives one, and its attributes.

    pyxem (`TEM`) stores angstrom but labels the quantity 1/angstrom; only the number is used.
    """
    instruments = signal.metadata.get_item("Acquisition_instrument", None)
    for name, node in instruments.as_dictionary().items() if instruments is not None else ():
        value: Any = node.get("wavelength") if isinstance(node, dict) else None
        if value is None:
            continue
        number = float(getattr(value, "magnitude", value))
        length = convert_to_angstrom(number, str(getattr(value, "units", "")) or "?")
        if length is not None:
            return length, {"units": "angstrom"}
        return number, {"units": "angstrom"} if name == "TEM" else {}
    return None


def _make_signal(array: xr.DataArray, host: Any, signal_type: str = "") -> Any:
    """Return a result as a signal. Its sample dimensions become the navigation axes of `host`."""
    from hyperspy.signals import BaseSignal

    known = {}
    for dim, axis in zip(_name_dims(host), _list_axes(host), strict=True):
        if dim not in array.dims:
            continue
        known[dim] = axis.get_axis_dictionary()
    navigation = [dim for dim in known if known[dim]["navigate"]]
    others = [dim for dim in array.dims if dim not in navigation]
    array = array.transpose(*navigation, *others)
    axes = [known.get(str(dim)) or _describe_axis(array, str(dim)) for dim in array.dims]
    if not axes:  # one number of one pattern
        array, axes = array.expand_dims("pattern"), [{"size": 1, "name": "pattern"}]
    signal = BaseSignal(array.data, axes=axes)
    if array.chunks:
        signal = signal.as_lazy()
    signal.metadata.General.title = str(array.name)
    signal.metadata.set_item("Signal.quantity", array.attrs.get("long_name", str(array.name)))
    for name, value in array.attrs.items():  # such as the flags of clusters
        if name not in ("units", "long_name"):
            signal.metadata.set_item(f"xrdae_attributes.{name}", value)
    signal.set_signal_type(signal_type)
    return signal


def _describe_axis(array: xr.DataArray, dim: str) -> dict[str, Any]:
    """Return the description of an axis that the host does not have."""
    is_list = dim == "synthetic" or (dim == "cluster_axis" and array.name == "cluster_pattern")
    axis: dict[str, Any] = {"name": dim, "navigate": is_list, "size": array.sizes[dim]}
    centres = array.coords.get("region_center") if dim == "region" else None
    if centres is not None and centres.size > 1 and (np.diff(centres) > 0).all():
        axis |= {"axis": centres.values, "units": centres.attrs.get("units")}
    return axis
