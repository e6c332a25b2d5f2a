"""Four methods to synthesize patterns between known ones, and the mixture of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize
from scipy.spatial.distance import cdist

from xrdae.autoencoder.fitted import METHODS, Fitted, Mixture
from xrdae.preprocessing.alignment import average_aligned, find_displacements, resample_patterns
from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]
Index = npt.NDArray[np.intp]

NEIGHBOURS = 48  # training patterns that are aligned to one target
COMPONENTS = 6  # directions in which these neighbours may differ
SURROUNDING = 4  # candidates for the ends around a point, for each latent axis
TRIPLETS = 24  # triplets of training patterns from which the mixture is found
COST = 0.05  # fraction of the error of blending that a method must save
TESTED = 0.9  # quantile of the distances between the ends of triplets
AT_ONCE = 32  # targets processed together


@dataclasses.dataclass(frozen=True, eq=False)
class Targets:
    """Points to synthesize, each between known patterns, its ends.

    Attributes
    ----------
    latents
        `(target, latent_axis)`.
    ends
        `(target, end, channel)`, scaled intensity.
    end_latents
        `(target, end, latent_axis)`.
    weights
        `(target, end)`, with a sum of one.
    """

    latents: Float
    ends: Float
    end_latents: Float
    weights: Float

    def select(self, some: slice) -> Targets:
        """Return some of the targets."""
        return Targets(*(getattr(self, f.name)[some] for f in dataclasses.fields(self)))


def mix_candidates(fitted: Fitted, mixture: Mixture, targets: Targets) -> tuple[Float, Float]:
    """Return scaled, transformed intensity and its standard deviation, both `(target, channel)`.

    A target at one of its ends is the known pattern.
    """
    parts = []
    for start in range(0, len(targets.latents), AT_ONCE):
        some = targets.select(slice(start, start + AT_ONCE))
        found, variance = find_candidates(fitted, some)
        weights = np.repeat(mixture.weights[:, None], len(some.latents), axis=1)
        weights[:, (some.weights == 1).any(axis=1)] = np.eye(len(METHODS))[0][:, None]
        parts.append(_mix_methods(found, variance, weights, mixture.error))
    intensity, std = (np.concatenate(part) for part in zip(*parts, strict=True))
    return intensity, std


def find_surrounding(latents: Float, points: Float) -> tuple[Index, Float]:
    """Return known patterns `(point, end)` around each point, and weights that sum to one.

    The weights are not negative. They are chosen so that the weighted mean of the nearest latents
    (four for each axis) is as close to the point as possible, with near latents preferred. Outside
    the known latents, the mean differs from the point, so there is no extrapolation.
    """
    n, n_latent = latents.shape
    distance = cdist(points, latents)
    which = np.argsort(distance, axis=1, kind="stable")[:, : min(SURROUNDING * n_latent, n)]
    weights = np.empty(which.shape)
    for i, near in enumerate(which):
        far = distance[i, near]
        unit = max(far[-1], 1e-12)
        # Rows: the mean, the sum (with a large weight), and a small penalty on distance.
        left = np.vstack(
            [latents[near].T / unit, np.full(len(near), 1e3), np.diag(0.05 * far / unit)]
        )
        right = np.concatenate([points[i] / unit, [1e3], np.zeros(len(near))])
        found, _ = scipy.optimize.nnls(left, right)
        weights[i] = found / found.sum()
    return which, weights


def find_candidates(
    fitted: Fitted,
    targets: Targets,
    *,
    votes: Float | None = None,
    hidden: Index | None = None,
) -> tuple[Float, Float]:
    """Return the result of each method, and the variance between members.

    - blended: the weighted mean of the ends.
    - decoded: the decoded latent point, plus the weighted mean of the residuals of the ends.
    - aligned: the weighted mean of the ends in position and in intensity (`average_aligned`).
    - denoised: the aligned pattern, projected on the first six principal components of the 48
      nearest training patterns, which are aligned to it.

    Parameters
    ----------
    votes
        `(member, target)`, weights of the members in "decoded"; None: equal weights.
    hidden
        `(target,)`, a training pattern that "denoised" must not use; None: all are used.

    Returns
    -------
    tuple
        Scaled and transformed intensity `(method, target, channel)`, negative only if training
        patterns were, and the variance between members `(target, channel)`.
    """
    autoencoder, support = fitted.autoencoder, fitted.support
    n, n_end, n_channel = targets.ends.shape
    width = support.width
    blended = np.einsum("te,tec->tc", targets.weights, targets.ends)
    points = np.concatenate([targets.latents, targets.end_latents.reshape(n * n_end, -1)])
    members = autoencoder.decode(points)  # (member, n + n * n_end, channel)
    left = targets.ends - members[:, n:].reshape(-1, n, n_end, n_channel)
    members = members[:, :n] + np.einsum("te,mtec->mtc", targets.weights, left)
    if votes is None:
        votes = np.full((len(members), n), 1 / len(members))
    decoded = np.einsum("mt,mtc->tc", votes, members)
    preparation = autoencoder.preparation
    signed = preparation.signed
    aligned = average_aligned(
        targets.ends, targets.weights, targets.ends[:, 0], width, signed=signed
    )
    aligned = average_aligned(targets.ends, targets.weights, aligned, width, signed=signed)
    distance = cdist(targets.latents, support.latents)
    if hidden is not None:
        distance[np.arange(n), hidden] = np.inf
    count = min(NEIGHBOURS, len(support.latents) - (hidden is not None))
    nearest = np.argsort(distance, axis=1, kind="stable")[:, :count]
    near = support.reconstruct_patterns(autoencoder, nearest.ravel())
    moved = find_displacements(np.repeat(aligned, count, axis=0), near, width, signed=signed)
    near = resample_patterns(near, np.arange(n_channel) + moved).reshape(n, count, n_channel)
    denoised = np.stack([_denoise(a, p) for a, p in zip(aligned, near, strict=True)])
    found = np.stack([blended, decoded, aligned, denoised])
    return preparation.clip_negative(found), members.var(axis=0)


def find_mixture(fitted: Fitted) -> Mixture:
    """Find the mixture on triplets of training patterns whose middle pattern is held out.

    The middle pattern is decoded by members that have not seen it, and is not among the neighbours.
    The weights are not negative. They minimize the mean norm of the error plus 5 % of the error of
    blending times the weight of all other methods. Another method is therefore used only if it is
    better than linear blending. Other methods that were tried are in decision
    record 0004 (`docs/developers/decisions`).
    """
    autoencoder, support = fitted.autoencoder, fitted.support
    middle, ends, fractions = _find_triplets(support.latents)
    if not len(middle):  # too few patterns for a test
        return Mixture(np.eye(len(METHODS))[0], np.array([1.0, 0.0, 0.0]), np.inf)
    weights = np.stack([1 - fractions, fractions], axis=1)
    end_latents = support.latents[ends]
    n_channel = autoencoder.preparation.mean.size
    targets = Targets(
        np.einsum("te,tel->tl", weights, end_latents),
        support.reconstruct_patterns(autoencoder, ends.ravel()).reshape(*ends.shape, n_channel),
        end_latents,
        weights,
    )
    votes = support.unseen[middle].T.astype(float)  # (member, triplet)
    votes[:, votes.sum(axis=0) == 0] = 1
    found, variance = find_candidates(
        fitted,
        targets,
        votes=votes / votes.sum(axis=0),
        hidden=middle,
    )
    residual = found - support.reconstruct_patterns(
        autoencoder, middle
    )  # (method, triplet, channel)
    # Of the two triplets of a middle pattern, use the one with the smallest error of any method.
    least = np.linalg.norm(residual, axis=2).min(axis=0)
    order = np.lexsort((least, middle))
    chosen = order[np.unique(middle[order], return_index=True)[1]]
    found, residual, variance = found[:, chosen], residual[:, chosen], variance[chosen]
    product = np.einsum("atc,btc->tab", residual, residual)
    best = _minimize_norm(product)
    repeated = np.repeat(best[:, None], len(chosen), axis=1)
    intensity = np.einsum("mt,mtc->tc", repeated, found)
    spread = _find_spread(found, variance, repeated, intensity)
    left = np.square(np.einsum("m,mtc->tc", best, residual))
    left += autoencoder.preparation.gain**2 * autoencoder.basis.noise
    apart = np.linalg.norm(end_latents[chosen, 1] - end_latents[chosen, 0], axis=1)
    reach = np.quantile(apart, TESTED)
    return Mixture(best, _fit_error(left, spread, intensity), float(reach))


def _find_triplets(latents: Float) -> tuple[Index, Index, Float]:
    """Return middle patterns, their two ends `(triplet, 2)`, and their positions between the ends.

    There are two triplets for each pattern. In the first, the ends are two of the twelve nearest
    patterns. Their connecting line is short, passes closest to the pattern, and has the pattern in
    its middle three fifths. In the second, the ends are the neighbours in the order of the series.
    The latents may not have this order if peaks move far from pattern to pattern.
    """
    n = len(latents)
    found: list[tuple[int, int, int, float]] = []
    for i in choose_evenly(n, TRIPLETS):
        distance = np.linalg.norm(latents - latents[i], axis=1)
        distance[i] = np.inf
        near = np.argsort(distance, kind="stable")[: min(12, n - 1)]
        first, second = (near[k] for k in np.triu_indices(len(near), 1))
        line = latents[second] - latents[first]
        length = np.linalg.norm(line, axis=1)
        along = ((latents[i] - latents[first]) * line).sum(axis=1) / np.maximum(length**2, 1e-12)
        beside = np.linalg.norm(latents[i] - latents[first] - along[:, None] * line, axis=1)
        cost = np.where(np.abs(along - 0.5) < 0.3, beside + length / 4, np.inf)
        if cost.size and np.isfinite(cost.min()):
            best = int(cost.argmin())
            found.append((i, first[best], second[best], along[best]))
        if 0 < i < n - 1:
            found.append((i, i - 1, i + 1, 0.5))
    table = np.array(found).reshape(-1, 4)
    return table[:, 0].astype(int), table[:, 1:3].astype(int), table[:, 3]


def _minimize_norm(product: Float) -> Float:
    """Return the weights `(method,)` from the products `(triplet, method, method)` of residuals."""
    n = product.shape[1]
    unit = np.sqrt(product[:, 0, 0]).mean() or 1.0
    cost = np.where(np.arange(n) > 0, COST, 0.0)

    def loss(weights: Float) -> tuple[float, Float]:
        norms = np.sqrt(np.maximum(np.einsum("a,tab,b->t", weights, product, weights), 1e-30))
        slope = (np.einsum("tab,b->ta", product, weights) / norms[:, None]).mean(axis=0)
        return norms.mean() / unit + float(cost @ weights), slope / unit + cost

    sum_is_one = {"type": "eq", "fun": lambda w: w.sum() - 1}
    found = scipy.optimize.minimize(
        loss,
        np.full(n, 1 / n),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * n,
        constraints=sum_is_one,
    )
    weights = np.where(found.x < 1e-3, 0.0, found.x)
    return np.asarray(weights / weights.sum())


def _denoise(pattern: Float, neighbours: Float) -> Float:
    mean = neighbours.mean(axis=0)
    directions = np.linalg.svd(neighbours - mean, full_matrices=False)[2][:COMPONENTS]
    return np.asarray(mean + (directions @ (pattern - mean)) @ directions)


def _find_spread(found: Float, variance: Float, weights: Float, intensity: Float) -> Float:
    """Return the variance `(target, channel)` between methods and between members."""
    between = np.einsum("mt,mtc->tc", weights, np.square(found - intensity))
    return np.asarray(between + weights[1][:, None] ** 2 * variance)


def _mix_methods(
    found: Float, variance: Float, weights: Float, error: Float
) -> tuple[Float, Float]:
    intensity = np.einsum("mt,mtc->tc", weights, found)
    spread = _find_spread(found, variance, weights, intensity)
    return intensity, np.sqrt(error[0] * spread + error[1] * np.maximum(intensity, 0) + error[2])


def _fit_error(squares: Float, spread: Float, intensity: Float) -> Float:
    """Return `Mixture.error` from squared errors, by non-negative least squares.

    The weight of a channel is the inverse of its expected variance: the intensity plus a tenth of
    the mean intensity.
    """
    intensity = np.maximum(intensity, 0)
    terms = np.stack([spread, intensity, np.ones_like(spread)], axis=-1).reshape(-1, 3)
    weight = 1 / (intensity.ravel() + 0.1 * intensity.mean() + 1e-30)
    size = np.abs(terms).mean(axis=0) + 1e-30
    found, _ = scipy.optimize.nnls(terms / size * weight[:, None], squares.ravel() * weight)
    error = found / size
    # The error must not be 0 in channels without counts, which are equal in all triplets.
    error[2] = max(error[2], 0.01 * squares.mean(), 1e-12)
    return np.asarray(error)
