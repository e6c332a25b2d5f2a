"""Pictures of attached results, in xarray's manner: `ax=` in, the Axes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from xrdae.errors import DataError
from xrdae.patterns import find_patterns

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from matplotlib.axes import Axes


class Plot:
    """Plots of the results that a dataset carries."""

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def latent(self, *, color: str | None = None, ax: Axes | None = None) -> Axes:
        """Scatter the first two latent axes.

        Parameters
        ----------
        color
            Name of a numeric label along the sample dimensions; None: no colour.
        ax
            Where to draw; None: a new figure.
        """
        latent = self._need("latent", "encode(model)")
        ax = _axes(ax)
        others = [d for d in latent.dims if d != "latent_axis"]
        points = latent.transpose(..., "latent_axis").values.reshape(
            -1, latent.sizes["latent_axis"]
        )
        y = points[:, 1] if points.shape[1] > 1 else np.zeros(len(points))
        if color is None:
            ax.scatter(points[:, 0], y, s=14)
        else:
            label = self._need(color, "the label as a coordinate")
            template = latent.isel(latent_axis=0, drop=True)
            values = label.broadcast_like(template).transpose(*others).values.ravel()
            drawn = ax.scatter(points[:, 0], y, c=values.astype(float), s=14, cmap="viridis")
            ax.figure.colorbar(drawn, ax=ax, label=_label(label))
        ax.set(xlabel="latent axis 0", ylabel="latent axis 1", aspect="equal")
        return ax

    def relevance(
        self, *, pattern: Mapping[Hashable, int] | int | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw a pattern, each region shaded by its relevance.

        Parameters
        ----------
        pattern
            Position along the one sample dimension, or positions; None: the mean of all.
        ax
            Where to draw; None: a new figure.
        """
        relevance = self._need("relevance", "relevance(model)")
        found = find_patterns(self._dataset)
        intensity = found.intensity
        dims = found.sample_dims
        if pattern is None:
            intensity, relevance = intensity.mean(dims), relevance.mean(dims)
        else:
            at = {dims[0]: pattern} if isinstance(pattern, int) else dict(pattern)
            intensity, relevance = intensity.isel(at), relevance.isel(at)
        ax = _axes(ax)
        ax.plot(intensity[found.dim], intensity, color="black", lw=0.8)
        share = relevance.values / max(float(relevance.max()), 1e-30)
        import matplotlib

        colors = matplotlib.colormaps["cividis_r"](share)
        bounds = zip(relevance["region_start"].values, relevance["region_stop"].values, strict=True)
        for (start, stop), color, value in zip(bounds, colors, share, strict=True):
            ax.axvspan(start, stop, color=color, alpha=0.15 + 0.6 * float(value), lw=0)
        scale = matplotlib.cm.ScalarMappable(
            matplotlib.colors.Normalize(0, float(relevance.max())), cmap="cividis_r"
        )
        ax.figure.colorbar(scale, ax=ax, label="relevance: latent shift when masked")
        ax.set(xlabel=_label(intensity[found.dim], found.dim), ylabel=_label(found.intensity))
        ax.margins(x=0)
        return ax

    def synthesis(self, *, ax: Axes | None = None) -> Axes:
        """Draw the synthesized patterns as a waterfall, the first at the bottom."""
        synthesized = self._need("synthesized", "synthesize(model, ...)")
        ax = _axes(ax)
        (dim,) = (d for d in synthesized.dims if d != "synthetic")
        import matplotlib

        step = 0.3 * float(synthesized.max())
        colors = matplotlib.colormaps["viridis"](
            np.linspace(0, 0.9, synthesized.sizes["synthetic"])
        )
        for i, color in enumerate(colors):
            ax.plot(synthesized[dim], synthesized.isel(synthetic=i) + i * step, color=color, lw=0.8)
        ax.set(
            xlabel=_label(synthesized[dim], dim),
            ylabel=_label(synthesized) + ", shifted",
            yticks=[],
        )
        ax.margins(x=0)
        return ax

    def _need(self, name: str, source: str) -> xr.DataArray:
        if name not in self._dataset.variables:
            raise DataError(f"the dataset has no {name!r}; attach it first: ds.xrdae.{source}")
        return self._dataset[name]


def _axes(ax: Axes | None) -> Any:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'xrdae[plot]'") from error
    return pyplot.figure(layout="constrained").add_subplot()


def _label(array: xr.DataArray, name: Hashable | None = None) -> str:
    text = str(array.attrs.get("long_name", name or array.name))
    units = array.attrs.get("units", "1")
    return text if units == "1" else f"{text} ({units})"
