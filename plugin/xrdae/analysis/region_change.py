"""How far regions of patterns change together with the rest of the pattern, or with a label.

A region may vary by noise, by texture, or by an unrelated phase. Its change is *confirmed* if it is
predicted by what does not contain the region: the rest of the pattern, or a label.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg

Float = npt.NDArray[Any]
Regions = npt.NDArray[np.intp]

SCORES = 5  # components of the rest of the pattern
LENGTH = 1.4  # of the kernel, over the root mean square of the scores
LABEL_LENGTH = 0.7  # the same for a label
RIDGE = 0.1
FEWEST = 10  # reference patterns; fewer decide nothing
CERTAIN = 2.0  # standard errors from which on a difference counts
LEAST_POWER = 1e-60  # of the rest; less is nothing
PERMUTATIONS = 199
STRONGER = 2.0  # strength over the noise from which on a region may be irrelevant
RARE = 0.01  # largest p-value of a relevant region
IRRELEVANT, UNDECIDED, RELEVANT, VARIES_ALONE = -1, 0, 1, 2


@dataclasses.dataclass(frozen=True, eq=False)
class Smoother:
    """Kernel smoother of reference patterns over coordinates.

    Attributes
    ----------
    coordinates
        `(reference, coordinate)`.
    inverse
        `(reference, reference)`, of the kernel matrix with ridge and constant.
    length
        Length of the Gaussian kernel.
    """

    coordinates: Float
    inverse: Float
    length: float

    def weigh(self, coordinates: Float) -> Float:
        """Return weights `(pattern, reference)` that predict patterns from the references."""
        return (_find_kernel(coordinates, self.coordinates, self.length) + 1) @ self.inverse

    def find_residuals(self, values: Float) -> Float:
        """Return values `(reference, column)` less those predicted without the pattern itself."""
        return np.asarray((self.inverse @ values) / np.diag(self.inverse)[:, None])


def fit_smoother(coordinates: Float, length: float) -> Smoother:
    """Fit a smoother over coordinates `(reference, coordinate)`."""
    kernel = _find_kernel(coordinates, coordinates, length) + 1
    kernel[np.diag_indices_from(kernel)] += RIDGE
    return Smoother(coordinates, scipy.linalg.inv(kernel), length)


def fit_class_smoother(classes: npt.NDArray[np.intp]) -> Smoother:
    """Fit a smoother that predicts the mean of the other patterns of a class `(reference,)`."""
    return fit_smoother(np.eye(classes.max() + 1)[classes] * 10.0, 1.0)


def _find_kernel(one: Float, other: Float, length: float) -> Float:
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.asarray(np.exp(-np.maximum(squares, 0) / (2 * length**2)))


@dataclasses.dataclass(frozen=True, eq=False)
class Rest:
    """Coordinates of patterns without a region.

    Attributes
    ----------
    region, guarded
        First channel and the one after the last: of the region, and with a width on each side.
    projection
        `(reference, score)`, from products with the rest of the references to scores.
    smoother
        Smoother over these scores.
    """

    region: tuple[int, int]
    guarded: tuple[int, int]
    projection: Float
    smoother: Smoother


@dataclasses.dataclass(frozen=True, eq=False)
class Change:
    """Change of each region.

    Attributes
    ----------
    change
        `(region,)`, root mean square of the confirmed change, in units of the patterns.
    std
        `(region,)`, standard deviation over the patterns, confirmed or not.
    excess
        `(region,)`, relative confirmed change over that of all regions together, less one: 0 where
        a region changes as its strength predicts.
    significance
        `(region,)`, standard errors below half (negative) or above twice (positive) of what the
        strength of the region predicts; 0 in between.
    verdict
        `(region,)`, -1 irrelevant, 0 undecided, 1 relevant, 2 varies alone.
    """

    change: Float
    std: Float
    excess: Float
    significance: Float
    verdict: npt.NDArray[np.int8]

    def withhold_irrelevance(self) -> Change:
        """Return the same change with irrelevant regions undecided, for an uncertain scale."""
        verdict = np.where(self.verdict == IRRELEVANT, UNDECIDED, self.verdict)
        return dataclasses.replace(self, verdict=verdict.astype(np.int8))


class Reference:
    """Reference patterns whose regions are compared.

    Attributes
    ----------
    patterns
        `(reference, channel)`, without background, on one scale.
    mean
        `(channel,)`.
    centered
        `(reference, channel)`.
    products
        `(reference, reference)`, of the centred patterns.
    """

    def __init__(self, patterns: Float) -> None:
        self.patterns = np.asarray(patterns, dtype=np.float64)
        self.mean = self.patterns.mean(axis=0)
        self.centered = self.patterns - self.mean
        self.products = self.centered @ self.centered.T

    def find_rest(self, start: int, stop: int) -> Rest:
        """Return the coordinates of patterns without a region, one width on each side left out.

        They are the scores of the first five components of the rest, each over the root of its
        standard deviation.
        """
        n, width = len(self.products), stop - start
        low, high = max(0, start - width), min(self.centered.shape[1], stop + width)
        inside = self.centered[:, low:high]
        gram = self.products - inside @ inside.T
        count = min(SCORES, n - 1)
        power, vectors = scipy.linalg.eigh(gram, subset_by_index=(n - count, n - 1))
        power = np.maximum(power, max(1e-12 * power.max(initial=0.0), LEAST_POWER))
        scores = vectors * power**0.25
        size = np.sqrt(np.square(scores).sum(axis=1).mean()) or 1.0
        smoother = fit_smoother(scores / size, LENGTH)
        return Rest((start, stop), (low, high), vectors * power**-0.75 / size, smoother)

    def project(self, rest: Rest, centered: Float, products: Float) -> Float:
        """Return scores `(pattern, score)` of further patterns.

        Parameters
        ----------
        rest
            See `find_rest`.
        centered
            `(pattern, channel)`, less the mean of the references.
        products
            `(pattern, reference)`, of these with the centred references.
        """
        low, high = rest.guarded
        outside = products - centered[:, low:high] @ self.centered[:, low:high].T
        return np.asarray(outside @ rest.projection)

    def measure_strengths(self, regions: Regions) -> Float:
        """Return the norm `(region,)` of the mean pattern in each region."""
        return np.array([np.linalg.norm(self.mean[start:stop]) for start, stop in regions])


def compare_with_rest(
    reference: Reference, regions: Regions, noise: float
) -> tuple[list[Rest], Change]:
    """Return the change of regions `(region, 2)` that the rest of the pattern confirms."""
    rests = [reference.find_rest(start, stop) for start, stop in regions]
    gain, fit = _measure_gains(reference, regions, [rest.smoother for rest in rests])
    return rests, _summarize(reference, regions, gain, fit, noise=noise)


def compare_with_label(
    reference: Reference, regions: Regions, smoother: Smoother, *, noise: float, seed: int
) -> tuple[Change, Float]:
    """Return the change of regions that a label confirms, and p-values `(region,)`.

    The p-value is that of a permutation test: the label is shuffled 199 times. It is exact.
    """
    gain, fit = _measure_gains(reference, regions, [smoother] * len(regions))
    inverse = smoother.inverse
    scaled = inverse / np.diag(inverse)[:, None]
    n = len(inverse)
    form = (np.eye(n) - scaled.T @ scaled).ravel()
    parts = [reference.centered[:, start:stop] for start, stop in regions]
    grams = np.stack([(part @ part.T).ravel() for part in parts]).astype(np.float32)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(n) for _ in range(PERMUTATIONS)]
    square = form.reshape(n, n)
    shuffled = np.stack([square[np.ix_(o, o)].ravel() for o in orders]).astype(np.float32)
    found = grams @ form.astype(np.float32)
    chance = grams @ shuffled.T  # (region, permutation)
    pvalue = (1 + (chance >= found[:, None]).sum(axis=1)) / (1 + PERMUTATIONS)
    return _summarize(reference, regions, gain, fit, noise=noise, pvalue=pvalue), pvalue


def _measure_gains(
    reference: Reference, regions: Regions, smoothers: list[Smoother]
) -> tuple[Float, Float]:
    """Return two arrays `(region, reference)`: what the prediction explains, and its product."""
    gain, fit = np.empty((2, len(regions), len(reference.products)))
    for i, ((start, stop), smoother) in enumerate(zip(regions, smoothers, strict=True)):
        values = reference.centered[:, start:stop]
        residual = smoother.find_residuals(values)
        gain[i] = np.square(values).sum(axis=1) - np.square(residual).sum(axis=1)
        fit[i] = (values * (values - residual)).sum(axis=1)
    return gain, fit


def _summarize(
    reference: Reference,
    regions: Regions,
    gain: Float,
    fit: Float,
    *,
    noise: float,
    pvalue: Float | None = None,
) -> Change:
    """Return the change of each region from what a prediction explains `(region, reference)`."""
    n = gain.shape[1]
    change = np.sqrt(np.maximum(gain.mean(axis=1), 0))
    strength = reference.measure_strengths(regions)
    share = np.square(strength) / max(float(np.square(strength).sum()), 1e-300)
    expected = share[:, None] * fit.sum(axis=0)
    low, high = (_find_certainty(fit - factor * expected) for factor in (0.25, 4.0))
    significance = np.where(low < 0, low, np.maximum(high, 0))
    whole = float(np.sqrt(np.square(change).sum()))
    relative = change / np.maximum(strength, 1e-300) * np.sqrt(np.square(strength).sum())
    excess = relative / whole - 1 if whole > 0 else np.zeros(len(change))
    parts = [reference.centered[:, start:stop] for start, stop in regions]
    power = np.array([np.square(part).sum(axis=1).mean() for part in parts])
    if pvalue is None:
        confirmed = (change > 0) & (_find_certainty(gain) > CERTAIN)
    else:
        confirmed = (change > 0) & (pvalue <= RARE)
    verdict = np.where(confirmed, RELEVANT, UNDECIDED)
    by_chance = np.diff(regions, axis=1)[:, 0] * noise**2
    if pvalue is None:
        alone = power - np.square(change) - by_chance
        usual = np.square(change).sum() * share
        verdict[~confirmed & (alone > np.maximum(usual, by_chance))] = VARIES_ALONE
    strong = strength > STRONGER * np.sqrt(by_chance)
    verdict[strong & (low < -CERTAIN) & (verdict != VARIES_ALONE)] = IRRELEVANT
    if n < FEWEST:
        verdict[:] = UNDECIDED
    return Change(change, np.sqrt(power), excess, significance, verdict.astype(np.int8))


def _find_certainty(values: Float) -> Float:
    """Return means over the patterns `(region, reference)` in standard errors."""
    error = values.std(axis=1) / np.sqrt(values.shape[1])
    return np.asarray(values.mean(axis=1) / np.maximum(error, 1e-300))
