"""sciline: providers and their types, to be inserted in a user's `sciline.Pipeline`.

Examples
--------
>>> wf[PatternSet] = wf[Reduced].map(runs).reduce(func=gather, name=PatternSet)
>>> wf.insert(latents)
>>> wf[LatentModel] = model
>>> wf.compute(LatentResult)["latent"]
"""

from __future__ import annotations

from typing import NewType

import scipp as sc

from xrdae.accessor import analyze
from xrdae.model import Model

PatternSet = NewType("PatternSet", sc.DataArray)
"""Patterns on one axis, dims (pattern, axis)."""

LatentModel = NewType("LatentModel", Model)
"""A fitted model."""

LatentResult = NewType("LatentResult", sc.DataGroup)  # type: ignore[type-arg]
"""The patterns ("data"), their latents and the relevance of peaks, each a DataArray."""


def gather(*patterns: sc.DataArray) -> PatternSet:
    """Put patterns with the same axis together along a new dimension `pattern`."""
    return PatternSet(sc.concat(patterns, "pattern"))


def latents(patterns: PatternSet, model: LatentModel) -> LatentResult:
    """Return the patterns with latents and relevance, as `xrdae.analyze` does."""
    return LatentResult(analyze(patterns, model))
