"""Signal classes that HyperSpy finds through `hyperspy_extension.yaml`.

They derive from classes of HyperSpy, which is under GPL-3.0-or-later: nothing else imports this.
"""

from __future__ import annotations

from typing import Any

from hyperspy.signals import LazySignal1D, Signal1D

from xrdae.errors import DataError


class XrdaeLatent(Signal1D):
    """Latents `(navigation axes | latent_axis)`; what else was found lies in `metadata.xrdae`."""

    _signal_type = "xrdae_latent"

    def result(self, name: str) -> Any:
        """Return another result on the same navigation axes: `latents.result("novelty")`.

        Parameters
        ----------
        name
            A signal (`latent_std`, `reconstruction_error`, `novelty`, `relevance` ...), or an
            array (`region_start`, `region_stop`, `region_center`) in units of the diffraction axis.

        Raises
        ------
        DataError
            If there is none of this name, or the latents were sliced since: HyperSpy does not slice
            what lies in the metadata.
        """
        results = self.metadata.get_item("xrdae")
        found = results.get_item(name) if results is not None else None
        if found is None:
            names = list(results.keys()) if results is not None else []
            raise DataError(f"there is no result {name!r}; there are {names}")
        shape = self.axes_manager.navigation_shape
        has_axes = hasattr(found, "axes_manager")
        if has_axes and shape and found.axes_manager.navigation_shape != shape:
            raise DataError(
                f"result {name!r} has navigation shape {found.axes_manager.navigation_shape}, the "
                f"latents {shape}; take the result first, then slice both"
            )
        return found


class LazyXrdaeLatent(XrdaeLatent, LazySignal1D):
    """The same on a dask array."""
