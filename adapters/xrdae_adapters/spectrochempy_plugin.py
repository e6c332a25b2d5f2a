"""What SpectroChemPy finds as the plugin `xrdae`: `nd.xrdae.fit(...)` and its like.

Only SpectroChemPy imports this, by its entry-point group `spectrochempy.plugins`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from spectrochempy.api.plugins import SpectroChemPyPlugin

from xrdae.plugins import to_dataset
from xrdae.provenance import ATTRIBUTE
from xrdae_adapters.spectrochempy import host_coords, new_coord, to_nddataset

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

    from xrdae.analysis.request import Position
    from xrdae.model import Model
    from xrdae.preprocessing.peaks import Regions

    ModelOrPath = Model | str | os.PathLike[str]


def fit(nd: Any, **settings: Any) -> Model:
    """Fit a model to an NDDataset; keyword arguments as of `ds.xrdae.fit`."""
    return to_dataset(nd).xrdae.fit(**settings)  # type: ignore[no-any-return]


def latent(nd: Any, model: ModelOrPath, variable: str = "latent") -> Any:
    """Return latents `(patterns ..., latent_axis)` as an NDDataset.

    How this, as any result, was made is in `meta.xrdae_provenance` (JSON).

    Parameters
    ----------
    nd
        Patterns.
    model
        A fitted model, or the path of a saved one.
    variable
        "latent", or one of its companions: "latent_std", "reconstruction_error", "novelty".
    """
    found = to_dataset(nd).xrdae.encode(_model(model))
    return _result(found, variable, host_coords(nd))


def relevance(
    nd: Any,
    model: ModelOrPath,
    regions: Regions = "peaks",
    fill: str = "background",
    variable: str = "relevance",
) -> Any:
    """Return relevance `(patterns ..., region)` as an NDDataset, at the centres of the regions.

    Parameters
    ----------
    nd
        Patterns.
    model
        A fitted model, or the path of a saved one.
    regions, fill
        As of `ds.xrdae.relevance`; bounds are returned in `meta.region_start`, `meta.region_stop`.
    variable
        "relevance", or one of its companions: "relevance_profile" along the axis,
        "relevance_excess", "relevance_significance", "latent_shift".
    """
    found = to_dataset(nd).xrdae.relevance(_model(model), regions=regions, fill=fill)
    region = {"region": [new_coord(found["region_center"], "region_center")]}
    out = _result(found, variable, host_coords(nd) | region)
    for name in ("region_start", "region_stop"):
        out.meta[name] = found[name].values
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
    """Return synthesized patterns `(synthetic, axis)` as an NDDataset, at their labels.

    Parameters
    ----------
    nd
        Patterns.
    model
        A fitted model, or the path of a saved one.
    between, n, endpoints, at, latent
        As of `ds.xrdae.synthesize`; labels are the titles of the coordinates.
    variable
        "synthesized", or one of its companions: "synthesized_std", "synthesized_latent",
        "synthesized_novelty".
    """
    dataset = to_dataset(nd)
    found = dataset.xrdae.synthesize(
        _model(model), between=between, n=n, endpoints=endpoints, at=at, latent=latent
    )
    labels = [
        new_coord(found[f"synthesized_{name}"].assign_attrs(coord.attrs), str(name))
        for name, coord in dataset.coords.items()
        if f"synthesized_{name}" in found
    ]
    return _result(found, variable, host_coords(nd) | {"synthetic": labels})


def read_patterns(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Any:
    """Return the patterns of files as an NDDataset: `xrdae.open_patterns`."""
    from xrdae import open_patterns

    dataset = open_patterns(paths)
    coords = {
        str(dim): sorted(
            (new_coord(c, str(n)) for n, c in dataset.coords.items() if c.dims == (dim,)),
            key=lambda coord: coord.title != dim,
        )
        for dim in dataset["intensity"].dims
    }
    out = to_nddataset(dataset["intensity"], coords)
    if "wavelength" in dataset.coords and not dataset["wavelength"].dims:
        out.meta["wavelength"] = float(dataset["wavelength"])
    return out


class XrdaePlugin(SpectroChemPyPlugin):
    """Declares `nd.xrdae.*` and `scp.xrdae.read_patterns`."""

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


def _result(found: xr.Dataset, variable: str, coords: Mapping[str, list[Any]]) -> Any:
    """Return a result as an NDDataset, how it was made in its meta."""
    out = to_nddataset(found[variable], coords)
    if ATTRIBUTE in found.attrs:
        out.meta[ATTRIBUTE] = found.attrs[ATTRIBUTE]
    return out


def _model(model: ModelOrPath) -> Model:
    if isinstance(model, str | os.PathLike):
        from xrdae.model import load_model

        return load_model(model)
    return model
