"""Estimate a label (composition, temperature) from the latents of labelled patterns."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.optimize
import xarray as xr

from xrdae.convention.apply_kernel import apply_kernel, attach_coords
from xrdae.convention.names import describe_label_result, make_clash_error, name_label_result
from xrdae.errors import DataError

Float = npt.NDArray[Any]

BLOCK, FOLDS = 5, 5
_PART = "xrdae_part"  # dimension of estimate and deviation while they are one array
WITHIN_ONE = 0.683  # of a normal distribution, within one standard deviation
LARGEST_REFERENCE = 1000  # patterns; the cost of a Gaussian process grows with their cube


@dataclasses.dataclass(frozen=True, eq=False)
class Estimator:
    """Estimator of a label from latents, with its cross-validation.

    Attributes
    ----------
    predict
        Function from latents `(..., latent_axis)` to `(..., 2)`: estimate and standard deviation
        of a new label, noise included; NaN where the latents are NaN.
    figures
        `r2` and `mae` [label's units] of held-out blocks, and `std_factor`, the factor applied to
        the standard deviation of the Gaussian process.
    """

    predict: Callable[[Float], Float]
    figures: dict[str, float]


def find_estimator(latents: Float, labels: Float, *, name: str, seed: int = 0) -> Estimator:
    """Fit a Gaussian process of a label over the latents.

    The kernel is a Matern kernel (nu = 3/2) with a length for each latent axis, plus noise. Its
    parameters maximize the likelihood (Rasmussen and Williams, Gaussian Processes for Machine
    Learning, 2006, chapters 4 and 5; scikit-learn's implementation). If there are more than 1000
    patterns, 1000 random ones are used.

    Cross-validation estimates blocks of up to five consecutive patterns from the others, in five
    folds. Single patterns would be too easy, since neighbours in a dense series have almost the
    same label. The standard deviation is scaled so that 68.3 % of the held-out labels are within
    one (split conformal prediction: Lei et al., 2018, doi:10.1080/01621459.2017.1307116).

    Parameters
    ----------
    latents
        `(pattern, latent_axis)`.
    labels
        `(pattern,)`, NaN where not known.
    name
        Name of the label, for the error.
    seed
        Seed of the choice of 1000 patterns.

    Raises
    ------
    DataError
        If fewer than 3 patterns have the label.
    """
    known = np.isfinite(latents).all(axis=1) & np.isfinite(labels)
    if known.sum() < 3:
        raise DataError(f"only {known.sum()} reference patterns have {name!r}; 3 are needed")
    latents, labels = latents[known].astype(np.float64), labels[known].astype(np.float64)
    if len(latents) > LARGEST_REFERENCE:
        rng = np.random.default_rng(seed)
        some = np.sort(rng.choice(len(latents), LARGEST_REFERENCE, replace=False))
        latents, labels = latents[some], labels[some]
    process = _maximize_likelihood(latents, labels, _make_kernel(latents.shape[1]))
    held_out = _cross_validate(latents, labels, process.kernel_)
    error = np.abs(held_out[:, 0] - labels)
    factor = float(np.quantile(error / np.maximum(held_out[:, 1], 1e-30), WITHIN_ONE))
    variance = float(np.square(labels - labels.mean()).sum())
    figures = {
        "r2": 1 - float(np.square(error).sum()) / variance if variance > 0 else np.nan,
        "mae": float(error.mean()),
        "std_factor": factor,
    }

    def predict(query: Float) -> Float:
        flat = np.asarray(query, dtype=np.float64).reshape(-1, query.shape[-1])
        out = np.full((len(flat), 2), np.nan)
        usable = np.isfinite(flat).all(axis=1)
        if usable.any():
            mean, std = process.predict(flat[usable], return_std=True)
            out[usable] = np.stack([mean, factor * std], axis=1)
        return out.reshape(*query.shape[:-1], 2)

    return Estimator(predict, figures)


def _make_kernel(n_latent: int) -> Any:
    try:
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
    except ImportError as error:
        raise ImportError("estimate needs scikit-learn: pip install 'xrdae[estimate]'") from error
    smooth = Matern(np.ones(n_latent), (1e-2, 1e3), nu=1.5)
    return ConstantKernel(1.0, (1e-3, 1e5)) * smooth + WhiteKernel(1e-2, (1e-8, 1e1))


def _fit_process(latents: Float, labels: Float, kernel: Any) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor

    return GaussianProcessRegressor(kernel, normalize_y=True, optimizer=None).fit(latents, labels)


def _maximize_likelihood(latents: Float, labels: Float, kernel: Any) -> Any:
    """Return the Gaussian process whose kernel maximizes the likelihood of the labels.

    scikit-learn's own fit warns if a parameter is at its bound, which is the case for labels
    without noise. Such a warning cannot be filtered, since filters are shared by all threads.
    """
    process = _fit_process(latents, labels, kernel)

    def loss(theta: Float) -> tuple[float, Float]:
        likelihood, slope = process.log_marginal_likelihood(
            theta, eval_gradient=True, clone_kernel=False
        )
        return -likelihood, -slope

    start = process.kernel_
    found = scipy.optimize.minimize(
        loss, start.theta, method="L-BFGS-B", jac=True, bounds=start.bounds
    )
    return _fit_process(latents, labels, kernel.clone_with_theta(found.x))


def _cross_validate(latents: Float, labels: Float, kernel: Any) -> Float:
    """Return estimate and standard deviation `(pattern, 2)` of held-out blocks."""
    n = len(labels)
    fold = np.arange(n) // max(1, min(BLOCK, n // (2 * FOLDS))) % min(FOLDS, n)
    out = np.empty((n, 2))
    for k in np.unique(fold):
        there, here = fold != k, fold == k
        process = _fit_process(latents[there], labels[there], kernel)
        out[here] = np.stack(process.predict(latents[here], return_std=True), axis=1)
    return out


def find_label_shift(
    latent: xr.DataArray,
    shift: xr.DataArray,
    label: str,
    latents: Float,
    labels: Float,
    *,
    seed: int,
) -> xr.DataArray:
    """Return `<label>_shift`, the shift of the label's estimate; see `Model.label_shift`."""
    name = name_label_result("shift", label)
    if name in latent.coords:
        raise make_clash_error(name, "a coordinate")
    predict = find_estimator(latents, labels, name=label, seed=seed).predict

    def estimates(points: xr.DataArray) -> xr.DataArray:
        (out,) = apply_kernel(
            lambda query: predict(query)[..., 0], points, outputs=[()], sizes={}, dtypes=[float]
        )
        return attach_coords(points, {_PART: out}, {})[_PART]  # no label has this name

    moved = (latent + shift).transpose(*shift.dims)
    out = estimates(moved) - estimates(latent)
    out = out.transpose(*shift.dims[:-1]).rename(name)
    return out.assign_attrs(long_name=describe_label_result("shift", label))


def estimate_label(
    latent: xr.DataArray,
    label: str,
    latents: Float,
    labels: Float,
    *,
    attrs: Mapping[str, Any],
    seed: int,
) -> xr.Dataset:
    """Return `<label>_estimate` and `<label>_std` of labelled latents; see `Model.estimate`.

    `latents` `(pattern, latent_axis)` and `labels` `(pattern,)` are those of the reference.
    """
    estimator = find_estimator(latents, labels, name=label, seed=seed)
    (out,) = apply_kernel(
        estimator.predict,
        latent,
        outputs=[(_PART,)],
        sizes={_PART: 2},
        dtypes=[np.float64],
    )
    units = {"units": attrs["units"]} if "units" in attrs else {}
    title = str(attrs.get("long_name", label))
    variables = {}
    for i, part in enumerate(("estimate", "std")):
        variable = out.isel({_PART: i})
        variable.attrs = {**units, "long_name": describe_label_result(part, title)}
        variables[name_label_result(part, label)] = variable
    result = attach_coords(latent, variables, {})
    result[name_label_result("estimate", label)].attrs.update(
        {f"cross_validation_{name}": value for name, value in estimator.figures.items()},
        cross_validation=f"blocks of up to {BLOCK} consecutive reference patterns, {FOLDS} folds",
    )
    return result
