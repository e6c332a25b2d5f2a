"""Other measures of which regions of patterns matter, for `relevance.py`.

Each returns one number for each region of a series. All but `measure_plain_spread` get the patterns
at the steady scale of the product's model.

- std, plain: norm over the region of the standard deviations of the channels, patterns divided by
  their maximum.
- std, best: the same at the steady scale, less SNIP's background and less Poisson's variance.
- PLS: partial least squares of x on the channels, two components; norm of the weights over the
  region, each component weighted by the variance of x that it explains (as in VIP).
- forest: permutation importance of a random forest that predicts x from the regions' contents.
- integrated gradients and Shapley value sampling (captum): of the squared distance of the latent
  point from the mean latent, with the mean pattern as baseline; mean over the patterns of the
  absolute value. captum samples 5 permutations of the regions.
- regression: a reference that needs the true exposure, to tell what can be reached. Norm over the
  region of a polynomial of third degree in x through each channel, less background and noise.
"""

from __future__ import annotations

import numpy as np
import torch
from pybaselines import Baseline
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

import xrdae
from relevance_series import Series

try:
    from captum.attr import IntegratedGradients, ShapleyValueSampling
except ImportError:
    HAS_CAPTUM = False
else:
    HAS_CAPTUM = True

Array = np.ndarray
SNIP = {"max_half_window": 60, "decreasing": True, "smooth_half_window": 2}
PERMUTATIONS = 5


def measure_plain_spread(series: Series, bounds: Array) -> Array:
    counts = series.dataset["intensity"].values
    variance = (counts / counts.max(axis=1, keepdims=True)).var(axis=0)
    return _sum_regions(series, bounds, variance) ** 0.5


def measure_baselines(
    series: Series, model: xrdae.Model, *, slow: bool
) -> dict[str, dict[str, Array]]:
    """Return the measures of peaks and of windows, by name; `slow`: captum's too."""
    counts, x = series.dataset["intensity"].values, series.dataset["x"].values
    scale = model.support.scale[:, None]
    fitter = Baseline()
    above = np.stack([row - fitter.snip(row, **SNIP)[0] for row in counts]) / scale
    variance = above.var(axis=0) - (counts / scale**2).mean(axis=0)
    pls = PLSRegression(n_components=2, scale=False).fit(above, x)
    explained = np.square(pls.y_loadings_[0]) * np.square(pls.x_scores_).sum(axis=0)
    weights = np.square(pls.x_weights_) @ explained
    explained_by_x = _fit_polynomial(x, above * scale / series.exposure[:, None])
    found = {}
    for kind, bounds in {"peaks": series.peaks, "windows": series.windows}.items():
        contents = np.stack([above[:, p].sum(axis=1) for p in series.find_channels(bounds)], 1)
        forest = RandomForestRegressor(50, random_state=0).fit(contents, x)
        importance = permutation_importance(forest, contents, x, n_repeats=3, random_state=0)
        found[kind] = {
            "regression": np.sqrt(np.maximum(_sum_regions(series, bounds, explained_by_x), 0)),
            "std, plain": measure_plain_spread(series, bounds),
            "std, best": np.sqrt(np.maximum(_sum_regions(series, bounds, variance), 0)),
            "PLS": np.sqrt(_sum_regions(series, bounds, weights)),
            "forest": importance.importances_mean,
        }
        if HAS_CAPTUM and slow:
            found[kind] |= attribute(series, model, bounds)
    return found


def attribute(series: Series, model: xrdae.Model, bounds: Array) -> dict[str, Array]:
    """Return captum's integrated gradients and Shapley values, both `(region,)`."""
    auto = model.autoencoder
    components = torch.as_tensor(auto.basis.components)

    def distance(inputs: torch.Tensor) -> torch.Tensor:
        return auto.ensemble.encode(inputs @ components.T).mean(0).square().sum(1)

    inputs = torch.as_tensor(model.model_input(series.dataset).values)
    parts = series.find_channels(bounds)
    gradients = IntegratedGradients(distance).attribute(
        inputs, torch.zeros_like(inputs), n_steps=16
    )
    groups = torch.full((1, inputs.shape[1]), len(parts), dtype=torch.long)
    for k, part in enumerate(parts):
        groups[0, part] = k
    present, groups = torch.unique(groups, return_inverse=True)  # captum wants no gap
    torch.manual_seed(0)
    with torch.no_grad():
        shapley = ShapleyValueSampling(distance).attribute(
            inputs, torch.zeros_like(inputs), feature_mask=groups, n_samples=PERMUTATIONS
        )
    assert len(present) >= len(parts)
    return {
        "gradients": np.array([gradients[:, p].sum(1).abs().mean().item() for p in parts]),
        "Shapley": np.array([shapley[:, p.start].abs().mean().item() for p in parts]),
    }


def _fit_polynomial(x: Array, patterns: Array) -> Array:
    """Return the variance `(channel,)` of a cubic polynomial in x, less that which noise gives."""
    deviations = patterns - patterns.mean(axis=0)
    powers = np.stack([x, x**2, x**3], axis=1)
    basis = np.linalg.qr(powers - powers.mean(axis=0))[0]
    fitted = np.square(basis.T @ deviations).sum(axis=0)
    rest = np.square(deviations).sum(axis=0) - fitted
    return fitted - 3 * rest / (len(x) - 4)


def _sum_regions(series: Series, bounds: Array, channels: Array) -> Array:
    return np.array([channels[part].sum() for part in series.find_channels(bounds)])
