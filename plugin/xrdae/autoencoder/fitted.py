"""The result of a fit as one typed value, which analyses take and a model file holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.novelty import Support
from xrdae.autoencoder.reference_patterns import ReferencePatterns
from xrdae.autoencoder.weights import Weights
from xrdae.config import Config
from xrdae.convention.patterns import Patterns, find_patterns
from xrdae.convention.regridding import check_axis
from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]

METHODS = ("blended", "decoded", "aligned", "denoised")  # of synthesis


@dataclasses.dataclass(frozen=True, eq=False)
class Mixture:
    """Weights of the synthesis methods, and the expected error of the result.

    `analysis.synthesis_methods.find_mixture` returns it.

    Attributes
    ----------
    weights
        `(method,)`, for `METHODS`; they sum to one.
    error
        `(3,)`: the variance of a synthesized intensity is the sum of these times the variance
        between methods and members, the intensity (counting statistics), and one.
    reach
        Largest tested distance between the latents of two ends.
    """

    weights: Float
    error: Float
    reach: float

    def select_blending(self) -> Mixture:
        """Return a mixture that is linear blending only, with the same error."""
        return dataclasses.replace(self, weights=np.eye(len(METHODS))[0])


_parsed: ContextVar[list[tuple[xr.Dataset, Any, Patterns]] | None] = ContextVar(
    "xrdae_parsed", default=None
)


@contextmanager
def parse_once() -> Iterator[None]:
    """Find the patterns of each dataset only once inside the block. Datasets must not change."""
    token = _parsed.set([])
    try:
        yield
    finally:
        _parsed.reset(token)


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """Result of a fit.

    Attributes
    ----------
    config
        Settings of the fit.
    autoencoder
        Preparation, basis and ensemble.
    support
        Training patterns as coefficients and latents, and the limits of novelty.
    labels
        `latent (pattern, latent_axis)` of the training patterns, and their numeric labels.
    history
        `loss` and `held_out` along `step`: root mean squared errors, relative to the spread of
        the patterns.
    provenance
        `time`, `versions`, `command` and fingerprints of the `data`; see `xrdae.provenance`.
    weights
        Weights of the basis coefficients in the map.
    reference
        Training patterns that are kept whole, at most 300; None: of models of earlier formats.
    mixture
        Weights of the synthesis methods; None: not yet computed.
    """

    config: Config
    autoencoder: Autoencoder
    support: Support
    labels: xr.Dataset
    history: xr.Dataset
    provenance: dict[str, Any]
    weights: Weights
    reference: ReferencePatterns | None
    mixture: Mixture | None = None

    @property
    def n_latent(self) -> int:
        """Number of latent axes."""
        return self.autoencoder.ensemble.n_latent

    @property
    def label_rows(self) -> npt.NDArray[np.intp]:
        """Positions among the labels of the training patterns in the support `(reference,)`."""
        return choose_evenly(self.labels.sizes["pattern"], len(self.support.latents))

    def label_names(self) -> list[str]:
        """Return the names of the training patterns' numeric labels."""
        return sorted(set(map(str, self.labels.data_vars)) - {"latent"})

    def find_patterns(self, dataset: xr.Dataset) -> Patterns:
        """Return the patterns of a dataset, checked against the model's axis.

        Raises
        ------
        DataError
            If the dataset has no patterns, or if their axis does not fit.
        """
        remembered = _parsed.get()
        for known, fitted, patterns in remembered or ():
            if known is dataset and fitted is self:
                return patterns
        axis = self.autoencoder.preparation.axis
        names = {"variable": self.config.variable, "dim": self.config.dim}
        patterns = find_patterns(dataset, **names, onto=axis)
        check_axis(patterns.axis, axis, self.autoencoder.preparation.sampling)
        if remembered is not None:
            remembered.append((dataset, self, patterns))
        return patterns


class HasFitted(Protocol):
    """Any object that holds a `Fitted`."""

    @property
    def fitted(self) -> Fitted:
        """What the fit left behind."""
        ...
