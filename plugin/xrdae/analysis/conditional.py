"""Relevance by conditional replacement of a region by what the rest of another pattern implies."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xrdae.analysis.region_change import Change, Rest
from xrdae.analysis.relevance_reference import RelevanceReference
from xrdae.autoencoder.autoencoder import Autoencoder
from xrdae.autoencoder.ensemble import StackedEnsemble, as_tensor
from xrdae.compute.device import find_device
from xrdae.compute.threads import Scratch, compute_by_blocks
from xrdae.preprocessing.preparation import Source
from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]

TARGETS = 8  # reference patterns whose implied regions replace a region
BLOCK = 512  # patterns in a block


@dataclasses.dataclass(frozen=True, eq=False)
class Conditional:
    """Kernel that replaces every region of patterns and encodes them.

    Attributes
    ----------
    autoencoder
        The fitted autoencoder.
    source
        Conversion of the patterns to model input.
    regions
        `(region, 2)`, first channel and the one after the last.
    cover
        `(region, point)`, weights that spread relevance over the data's axis.
    reference
        The reference patterns.
    rests
        Coordinates of patterns without each region.
    change
        Confirmed change of each region.
    device
        See `Config.device`.
    """

    autoencoder: Autoencoder
    source: Source
    regions: npt.NDArray[np.intp]
    cover: Float
    reference: RelevanceReference
    rests: list[Rest]
    change: Change
    device: str

    def __call__(self, rows: Float) -> tuple[Float, ...]:
        """Replace regions of patterns `(pattern, point)`, and encode them.

        Returns
        -------
        tuple
            Mean latent shift `(pattern, region, latent_axis)`; relevance, the mean size of the
            shift `(pattern, region)`; the profile `(pattern, point)`.
        """
        return compute_by_blocks(self._replace_rows, rows, BLOCK)

    @torch.no_grad()
    def _replace_rows(self, rows: Float) -> tuple[Float, ...]:
        inputs, _ = self.source(rows)
        basis, known = self.autoencoder.basis, self.reference.regions
        usable = np.isfinite(inputs).any(axis=1)
        n, n_latent = len(inputs), self.autoencoder.ensemble.n_latent
        shift = np.full((n, len(self.regions), n_latent), np.nan, np.float32)
        relevance = np.full((n, len(self.regions)), np.nan, np.float32)
        if not usable.any():
            return shift, relevance, relevance @ self.cover
        filled = basis.fill(inputs[usable])
        patterns, scale = self.reference.prepare(filled)
        centered = patterns - known.mean
        products = centered @ known.centered.T
        device = find_device(self.device)
        coefficients = as_tensor(basis.project(filled)).to(device)
        before = self._ensemble.encode_mean(coefficients, self._scratch)
        shift[usable], relevance[usable] = 0, 0
        factor = as_tensor(scale / self.autoencoder.preparation.gain).to(device)
        measured = np.isfinite(inputs[usable])
        for i, (rest, (implied, chosen)) in enumerate(zip(self.rests, self._implied, strict=True)):
            if not self.change.change[i] > 0:
                continue
            weights = rest.smoother.weigh(known.project(rest, centered, products))
            apart = chosen @ implied - (weights @ implied)[:, None]  # (pattern, target, component)
            start, stop = self.regions[i]
            for row in np.flatnonzero(~measured[:, start:stop].all(axis=1)):  # what is not measured
                there = measured[row, start:stop]  # stays
                inside = known.centered[:, start:stop] * there
                own = inside @ basis.components[:, start:stop].T
                apart[row] = (chosen - weights[row]) @ own
            steps = as_tensor(apart).to(device) * factor[:, None, None]
            moved = (coefficients[:, None] + steps).flatten(0, 1)
            after = self._ensemble.encode_mean(moved, self._scratch).view(
                *steps.shape[:2], n_latent
            )
            moves = after - before[:, None]
            shift[usable, i] = moves.mean(1).cpu().numpy()
            relevance[usable, i] = torch.linalg.vector_norm(moves, dim=2).mean(1).cpu().numpy()
        return shift, relevance, relevance @ self.cover

    @functools.cached_property
    def _implied(self) -> list[tuple[Float, Float]]:
        """Return for each region the references in coefficients, and the weights of the targets.

        They are `(reference, component)`, from which weights make the implied region, and
        `(target, reference)`.
        """
        components = self.autoencoder.basis.components.astype(np.float64)
        found = []
        for rest, (start, stop) in zip(self.rests, self.regions, strict=True):
            inside = self.reference.regions.centered[:, start:stop]
            implied = inside @ components[:, start:stop].T
            chosen = choose_evenly(len(implied), TARGETS)
            found.append((implied, rest.smoother.weigh(rest.smoother.coordinates[chosen])))
        return found

    @functools.cached_property
    def _ensemble(self) -> StackedEnsemble:
        return StackedEnsemble(self.autoencoder.ensemble, find_device(self.device))

    @functools.cached_property
    def _scratch(self) -> Scratch:
        return Scratch()

    def __getstate__(self) -> dict[str, Any]:
        # The tensors are computed again in the other process, on its device.
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
