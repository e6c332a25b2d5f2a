"""Signal classes of latents, which HyperSpy loads through `hyperspy_extension.yaml`.

The classes derive from classes of HyperSpy, which has the licence GPL-3.0-or-later. No other module
imports this module.
"""

from __future__ import annotations

from typing import Any

from hyperspy.signals import LazySignal1D, Signal1D

from xrdae.errors import DataError


class XrdaeLatent(Signal1D):
    """Signal of latents `(navigation axes | latent_axis)`; other results in `metadata.xrdae`."""

    _signal_type = "xrdae_latent"

    def result(self, name: str) -> Any:
        """Return another result with the same navigation axes, or none (a result of regions).

        Parameters
        ----------
        name
            Name of a signal (`latent_std`, `reconstruction_error`, `novelty`, `relevance`,
            `relevance_verdict`), or of an array (`region_start`, `region_stop`, `region_center`) in
            units of the axis.

        Raises
        ------
        DataError
            If there is no result with this name. Also if the latents were sliced, because HyperSpy
            does not slice metadata.

        Examples
        --------
        >>> novelty = latents.result("novelty")
        """
        results = self.metadata.get_item("xrdae")
        result = results.get_item(name) if results is not None else None
        if result is None:
            names = list(results.keys()) if results is not None else []
            raise DataError(f"there is no result {name!r}; choose one of {names}")
        shape = self.axes_manager.navigation_shape
        own = result.axes_manager.navigation_shape if hasattr(result, "axes_manager") else ()
        if own and shape and own != shape:  # results of regions alone have no navigation axes
            raise DataError(
                f"result {name!r} has navigation shape {own}, the latents {shape}; take the result "
                "first, then slice both"
            )
        return result


class LazyXrdaeLatent(XrdaeLatent, LazySignal1D):
    """Lazy signal of latents, on a dask array."""
