"""Make the kernels of a model for the axis of the data, and cache the latest ones."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.analysis.conditional import Conditional
from xrdae.analysis.encode import BLOCK, Encoder
from xrdae.analysis.region_change import Change, Rest, compare_with_rest
from xrdae.analysis.relevance import CONDITIONAL, FILLS, Bounds, Masking
from xrdae.analysis.relevance_reference import RelevanceReference, choose_training_patterns
from xrdae.autoencoder.fitted import Fitted
from xrdae.compute.threads import compute_by_blocks
from xrdae.convention.patterns import Patterns
from xrdae.convention.regridding import make_regridder
from xrdae.errors import DataError
from xrdae.preprocessing.preparation import Source

Float = npt.NDArray[Any]

REMEMBERED = 8  # kernels of the latest axes and sets of regions

Kernel = TypeVar("Kernel")


@dataclasses.dataclass(frozen=True, eq=False)
class Kernels:
    """Kernels that compute results from arrays of patterns.

    The methods take patterns and their model input, or None to prepare the patterns.

    Attributes
    ----------
    fitted
        Result of the fit.
    """

    fitted: Fitted
    _made: dict[Hashable, Any] = dataclasses.field(default_factory=dict)
    _lock: threading.RLock = dataclasses.field(default_factory=threading.RLock)

    def find_source(self, patterns: Patterns, inputs: xr.DataArray | None) -> Source:
        """Return the kernel that converts the patterns to model input."""
        preparation = self.fitted.autoencoder.preparation
        if inputs is not None:
            return Source(preparation, None)
        return preparation.find_source(patterns.axis)

    def find_encoder(self, patterns: Patterns, inputs: xr.DataArray | None) -> Encoder:
        """Return the kernel that encodes the patterns."""

        def make() -> Encoder:
            source = self.find_source(patterns, inputs)
            autoencoder, novelty = self.fitted.autoencoder, self.fitted.support.novelty
            return Encoder(autoencoder, novelty, source, self.fitted.config.device)

        return self._find_or_make(_make_key(patterns, inputs), make)

    def find_reconstructor(
        self, patterns: Patterns, inputs: xr.DataArray | None
    ) -> Callable[[Float], tuple[Float, ...]]:
        """Return the kernel that reconstructs the patterns on their axis, and returns scales."""
        source = self.find_source(patterns, inputs)
        autoencoder = self.fitted.autoencoder
        back = make_regridder(autoencoder.preparation.axis, patterns.axis)
        reconstruct, undo = autoencoder.reconstruct, autoencoder.preparation.transform.undo

        def kernel(rows: Float) -> tuple[Float, ...]:
            values, scale = source(rows)
            intensity = back(undo(reconstruct(values))) * scale[:, None]
            return intensity.astype(np.float32), scale.astype(np.float32)

        return lambda rows: compute_by_blocks(kernel, rows, BLOCK)

    def find_features(
        self, patterns: Patterns, inputs: xr.DataArray | None
    ) -> Callable[[Float], Float]:
        """Return the kernel from patterns to latents and basis coefficients `(row, feature)`."""
        source = self.find_source(patterns, inputs)
        autoencoder = self.fitted.autoencoder

        def kernel(rows: Float) -> tuple[Float, ...]:
            filled = autoencoder.basis.fill(source(rows)[0])
            coefficients = autoencoder.basis.project(filled)
            latents = autoencoder.encode_coefficients(coefficients).mean(axis=0)
            return (np.concatenate([latents, coefficients], axis=1),)

        return lambda rows: compute_by_blocks(kernel, rows, BLOCK)[0]

    def find_relevance_kernel(
        self,
        patterns: Patterns,
        inputs: xr.DataArray | None,
        bounds: Bounds,
        fill: str,
        reference: RelevanceReference | None,
    ) -> Masking | Conditional:
        """Return the kernel that fills regions of the patterns and encodes them."""
        if fill not in FILLS:
            raise DataError(f"fill={fill!r} is not known; choose one of {FILLS}")
        autoencoder, device = self.fitted.autoencoder, self.fitted.config.device

        def make() -> Masking | Conditional:
            source = self.find_source(patterns, inputs)
            shared = (autoencoder, source, bounds.channels, bounds.cover)
            if fill != CONDITIONAL:
                return Masking(*shared, fill, device)
            assert reference is not None
            rests, change = self.find_change(reference, bounds)
            return Conditional(*shared, reference, rests, change, device)

        compared = id(reference) if fill == CONDITIONAL else None
        key = (*_make_key(patterns, inputs), bounds.channels.tobytes(), fill, compared)
        return self._find_or_make(key, make)

    def find_training_reference(self) -> RelevanceReference:
        """Return the training patterns with which regions are compared."""
        return self._find_or_make("reference", lambda: choose_training_patterns(self.fitted))

    def find_change(
        self, reference: RelevanceReference, bounds: Bounds
    ) -> tuple[list[Rest], Change]:
        """Return how far each region changes together with the rest of the reference patterns.

        If no peak is steady for certain, no region is irrelevant.
        """

        def make() -> tuple[RelevanceReference, list[Rest], Change]:
            found = compare_with_rest(reference.regions, bounds.channels, noise=reference.noise)
            return reference, *found  # the reference stays, so that its id is not used again

        key = ("change", bounds.channels.tobytes(), id(reference))
        _, rests, change = self._find_or_make(key, make)
        return rests, change.withhold_irrelevance() if reference.problem else change

    def _find_or_make(self, key: Hashable, make: Callable[[], Kernel]) -> Kernel:
        """Return the cached result of `make` for a key, or call it."""
        with self._lock:
            if key not in self._made:
                while len(self._made) >= REMEMBERED:
                    del self._made[next(iter(self._made))]
                self._made[key] = make()
            kernel: Kernel = self._made[key]
            return kernel


def _make_key(patterns: Patterns, inputs: xr.DataArray | None) -> tuple[Any, ...]:
    """Return the properties of the patterns on which their kernels depend."""
    axis = patterns.axis
    of_axis = axis.kind, axis.wavelength, axis.values.tobytes()
    return *of_axis, str(patterns.dim), patterns.units, patterns.factor, inputs is None
