"""The plugin `xrdae` of SpectroChemPy, which adds methods such as `nd.xrdae.fit(...)`.

SpectroChemPy loads this module through its entry-point group `spectrochempy.plugins`. No other
module imports it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from spectrochempy.api.plugins import SpectroChemPyPlugin

from xrdae.plugins import to_dataset
from xrdae.provenance import ATTRIBUTE
from xrdae_adapters.spectrochempy import collect_coords, make_coord, to_nddataset

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from xrdae.analysis.request import Position
    from xrdae.model import Model
    from xrdae.preprocessing.peaks import Regions

    ModelOrPath = Model | str | os.PathLike[str]


def fit(nd: Any, **settings: Any) -> Model:
    """Fit a model to an NDDataset.

    Parameters
    ----------
    nd
        Patterns.
    **settings
        Keyword arguments of `ds.xrdae.fit`.

    Examples
    --------
    >>> model = nd.xrdae.fit(n_latent=2)
    """
    return to_dataset(nd).xrdae.fit(**settings)  # type: ignore[no-any-return]


def latent(nd: Any, model: ModelOrPath, variable: str = "latent") -> Any:
    """Return latents `(patterns ..., latent_axis)` as an NDDataset.

    The provenance of each result is in `meta.xrdae_provenance` (JSON).

    Parameters
    ----------
    nd
        Patterns.
    model
        A fitted model, or the path of a saved model.
    variable
        Variable to return: "latent", "latent_std", "reconstruction_error" or "novelty".

    Examples
    --------
    >>> latents = nd.xrdae.latent(model)
    >>> novelty = nd.xrdae.latent("model.nc", "novelty")
    """
    result = to_dataset(nd).xrdae.encode(_load_model(model))
    return _select_variable(result, variable, collect_coords(nd))


def relevance(
    nd: Any,
    model: ModelOrPath,
    regions: Regions = "peaks",
    fill: str = "conditional",
    label: str | Sequence[str] | None = None,
    variable: str = "relevance",
) -> Any:
    """Return relevance `(patterns ..., region)` as an NDDataset, at the centres of the regions.

    Parameters
    ----------
    nd
        Patterns.
    model
        A fitted model, or the path of a saved model.
    regions, fill, label
        Arguments of `ds.xrdae.relevance`. The bounds are in `meta.region_start` and
        `meta.region_stop`.
    variable
        Variable to return: "relevance", "relevance_profile" along the axis or "latent_shift". Of
        all patterns together `(region)`: "region_change", "region_std", "relevance_excess",
        "relevance_significance" or "relevance_verdict". With a label x: "x_change", "x_pvalue",
        "x_verdict", "x_slope", "x_r2" `(region)` or "x_shift". The flags of verdicts are in
        `meta.flag_values` and `meta.flag_meanings`.

    Examples
    --------
    >>> relevance = nd.xrdae.relevance(model, regions=1.0)
    >>> verdict = nd.xrdae.relevance(model, variable="relevance_verdict")
    """
    options: dict[str, Any] = {"regions": regions, "fill": fill, "label": label}
    result = to_dataset(nd).xrdae.relevance(_load_model(model), **options)
    region = {"region": [make_coord(result["region_center"], "region_center")]}
    out = _select_variable(result, variable, collect_coords(nd) | region)
    for name in ("region_start", "region_stop"):
        out.meta[name] = result[name].values
    for name in ("flag_values", "flag_meanings"):
        if name in result[variable].attrs:
            out.meta[name] = result[variable].attrs[name]
    return out


def synthesize(
    nd: Any,
    model: ModelOrPath,
    *,
    between: tuple[Position, Position] | None = None,
    n: int = 5,
    endpoints: bool = False,
    at: Mapping[str, Sequence[float]] | None = None,
    latent: npt.ArrayLike | None = None,
    variable: str = "synthesized",
) -> Any:
    """Return synthesized patterns `(synthetic, axis)` with their labels as an NDDataset.

    Parameters
    ----------
    nd
        Patterns.
    model
        A fitted model, or the path of a saved model.
    between, n, endpoints, at, latent
        Arguments of `ds.xrdae.synthesize`. Labels are the titles of the coordinates.
    variable
        Variable to return: "synthesized", "synthesized_std", "synthesized_latent" or
        "synthesized_novelty".

    Examples
    --------
    >>> synthesized = nd.xrdae.synthesize(model, at={"temperature": [300, 310]})
    """
    dataset = to_dataset(nd)
    result = dataset.xrdae.synthesize(
        _load_model(model), between=between, n=n, endpoints=endpoints, at=at, latent=latent
    )
    labels = [
        make_coord(result[f"synthesized_{name}"].assign_attrs(coord.attrs), str(name))
        for name, coord in dataset.coords.items()
        if f"synthesized_{name}" in result
    ]
    return _select_variable(result, variable, collect_coords(nd) | {"synthetic": labels})


def read_patterns(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Any:
    """Return the patterns of files as an NDDataset.

    Parameters
    ----------
    paths
        Argument of `xrdae.open_patterns`: a path, a glob or several paths.

    Examples
    --------
    >>> nd = scp.xrdae.read_patterns("run/*.xy")
    """
    from xrdae import open_patterns

    dataset = open_patterns(paths)
    coords = {
        str(dim): sorted(
            (make_coord(c, str(n)) for n, c in dataset.coords.items() if c.dims == (dim,)),
            key=lambda coord: coord.title != dim,
        )
        for dim in dataset["intensity"].dims
    }
    out = to_nddataset(dataset["intensity"], coords)
    if "wavelength" in dataset.coords and not dataset["wavelength"].dims:
        out.meta["wavelength"] = float(dataset["wavelength"])
    return out


class XrdaePlugin(SpectroChemPyPlugin):
    """Plugin of SpectroChemPy that declares `nd.xrdae.*` and `scp.xrdae.read_patterns`."""

    name = "xrdae"
    version = version("xrdae")
    description = "Autoencoder latents, relevance and synthesized patterns of X-ray diffraction"

    def register_accessors(self) -> list[dict[str, Any]]:
        """Return the methods of `nd.xrdae`."""
        return [
            {"name": func.__name__, "namespace": self.name, "func": func}
            for func in (fit, latent, relevance, synthesize)
        ]

    def register_readers(self) -> list[dict[str, Any]]:
        """Return the reader `scp.xrdae.read_patterns`."""
        return [{"name": "patterns", "func": read_patterns, "description": "diffraction patterns"}]


def _select_variable(result: xr.Dataset, variable: str, coords: Mapping[str, list[Any]]) -> Any:
    """Return a variable of a result as an NDDataset, with the provenance in its meta."""
    out = to_nddataset(result[variable], coords)
    if ATTRIBUTE in result.attrs:
        out.meta[ATTRIBUTE] = result.attrs[ATTRIBUTE]
    return out


def _load_model(model: ModelOrPath) -> Model:
    if isinstance(model, str | os.PathLike):
        from xrdae.model import load_model

        return load_model(model)
    return model
