"""HyperSpy and pyxem: a signal of patterns in, a signal of latents on the same navigation axes out.

Facts of the host: the axis is the one signal axis, of diffraction or of spectra (EELS, EDS, CL);
navigation axes are listed in reversed order of the array's; noise is kept as a variance; lazy
signals hold dask arrays.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
import xarray as xr

from xrdae import builtin
from xrdae.convention.axis_kinds import OTHER, UNITS, find_axis_kind, name_kind
from xrdae.convention.names import AXIS_ATTRIBUTE
from xrdae.convention.units import convert_to_angstrom
from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl

_UNNAMED = "signal_axis"
_MAIN = ("latent", "synthesized")  # what the signal returned holds, if there; the rest goes along


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Turn a signal with one signal axis into a Dataset; a lazy one stays lazy.

    Returns
    -------
    xarray.Dataset
        `intensity` `(navigation axes ..., axis)` in the order of the array, `intensity_errors` the
        root of the noise variance where there is one, `wavelength` [angstrom] where an
        instrument in `metadata.Acquisition_instrument` states it. The signal axis is the axis: it
        is called `two_theta`, `q` or `d` where its name and units say so, and else keeps its name
        and units (`signal_axis` where it has no name; positions without units are numbers of
        channels). Navigation axes keep their names and units, and are `axis_0`, `axis_1` ... by
        their place in the array where they have none.

    Raises
    ------
    DataError
        If the signal is complex, its signal dimension is not 1, or name and units of its signal
        axis contradict each other.
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
    signal_dim, signal_units = _name_signal_axis(obj)
    for dim, axis in zip(dims, _axes(obj), strict=True):
        units = _text(axis.units) if axis.navigate else signal_units
        attrs = {"units": units, "long_name": _text(axis.name)}
        coords[dim] = xr.Variable(dim, axis.axis, {k: v for k, v in attrs.items() if v})
    attrs = {"title": obj.metadata.get_item("General.title", "")}
    of_intensity = _intensity_attrs(obj) | {AXIS_ATTRIBUTE: signal_dim}
    dataset = xr.Dataset({"intensity": (dims, obj.data, of_intensity)}, coords, attrs)
    variance = obj.get_noise_variance()
    if variance is not None:
        values = getattr(variance, "data", variance)
        dataset["intensity_errors"] = xr.zeros_like(dataset["intensity"], float) + np.sqrt(values)
    wavelength = _wavelength(obj)
    if wavelength is None or "wavelength" in dims:
        return dataset
    return dataset.assign_coords(wavelength=((), *wavelength))


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
    dataset = xrdae_to_dataset(obj)
    if dataset is None:
        return None
    attached = builtin.xrdae_attach(dataset, result)  # in the order of the host's axes
    assert attached is not None
    main = next(name for name in (*_MAIN, *result.data_vars) if name in result)
    out = _signal(attached[main], obj, "xrdae_latent" if main == "latent" else "")
    for node in ("General", "Acquisition_instrument", "Sample"):
        if node in obj.metadata:
            out.metadata.add_dictionary({node: obj.metadata[node].deepcopy().as_dictionary()})
    out.metadata.General.title = f"{main} of {out.metadata.General.title}".removesuffix(" of ")
    for name in result.data_vars:
        if name != main:
            out.metadata.set_item(f"xrdae.{name}", _signal(attached[name], obj))
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
    signal_dim, _ = _name_signal_axis(signal)
    names: list[str] = []
    for i, axis in enumerate(_axes(signal)):
        name = _text(axis.name)
        if not axis.navigate:
            name = signal_dim
        elif not name or name_kind(name) in UNITS or name in (*names, signal_dim):
            name = f"{name or 'axis'}_{i}"
        names.append(name)
    return names


def _text(value: Any) -> str:
    """Return a name or units; nothing where HyperSpy's mark says that it is not defined."""
    return value if isinstance(value, str) else ""


def _name_signal_axis(signal: Any) -> tuple[str, str]:
    """Return the dimension that the signal axis becomes, and its units.

    Those of diffraction are in a spelling that is understood. Electron diffraction plots k = 1/d;
    pyxem writes that as `k_A^-1`, and also as plain reciprocal units of a "Radius", often in TeX
    (`pyxem.utils.calibration.unit_equivalents`).
    """
    (axis,) = signal.axes_manager.signal_axes
    name, units = _text(axis.name), _text(axis.units).strip()
    plain = re.sub(r"\\mathrm|[${}]", "", units.replace(r"\AA", "Å"))
    of_pyxem = type(signal).__module__.startswith("pyxem.")
    known = "radial" if not name or (of_pyxem and name == "Radius") else name
    how = (
        "set signal.axes_manager.signal_axes[0].units = '2th_deg', 'q_A^-1', 'k_A^-1' (k = 1/d) or "
        "'angstrom' (d), or signal.axes_manager.signal_axes[0].name to what it is"
    )
    if not units:
        if name_kind(known) in UNITS:
            raise DataError(f"signal axis {name!r} has no units; {how}")
        return name or _UNNAMED, ""
    try:
        kind = find_axis_kind(known, plain, values=np.asarray(axis.axis, dtype=np.float64)).kind
    except DataError as error:
        raise DataError(f"signal axis {name!r} with units {units!r}: {error}; {how}") from error
    if kind == OTHER:
        return name or _UNNAMED, units
    is_k = kind == "q" and "_" not in plain and (of_pyxem or name.lower() == "k")
    return kind, f"k_{plain}" if is_k else plain


def _intensity_attrs(signal: Any) -> dict[str, str]:
    """Return what `metadata.Signal.quantity` says: `Intensity (counts)`."""
    quantity = signal.metadata.get_item("Signal.quantity", "")
    found = re.fullmatch(r"(.*?)\s*\(([^()]*)\)", quantity)
    name, units = found.groups() if found else (quantity, "")
    return {k: v for k, v in {"long_name": name, "units": units.lower()}.items() if v}


def _wavelength(signal: Any) -> tuple[float, dict[str, str]] | None:
    """Return the wavelength of the first instrument that states one, and its attributes.

    pyxem (`TEM`) keeps angstrom, in a quantity that it labels 1/angstrom: the number counts.
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


def _signal(array: xr.DataArray, like: Any, signal_type: str = "") -> Any:
    """Return a result as a signal: sample dimensions are the navigation axes of `like`."""
    from hyperspy.signals import BaseSignal

    known = {}
    for dim, axis in zip(_dims(like), _axes(like), strict=True):
        if dim not in array.dims:
            continue
        known[dim] = axis.get_axis_dictionary()
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
