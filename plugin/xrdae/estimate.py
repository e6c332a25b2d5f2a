"""Estimates of a label (composition, temperature) from the latents of labelled patterns."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.errors import DataError
from xrdae.labelled import apply

Float = npt.NDArray[Any]

LARGEST_REFERENCE = 1000  # a Gaussian process costs the cube of it


def gaussian_process(latents: Float, labels: Float, *, seed: int = 0) -> Callable[[Float], Float]:
    """Fit a Gaussian process of a label over the latents.

    The kernel is a Matern one (nu = 3/2) with a length for each latent axis, plus noise, all found
    by maximum likelihood (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
    chapters 4 and 5; scikit-learn's implementation). Of more than 1000 patterns, 1000 random ones
    are used.

    Parameters
    ----------
    latents
        `(pattern, latent_axis)`.
    labels
        `(pattern,)`.
    seed
        Of that choice.

    Returns
    -------
    callable
        From latents `(..., latent_axis)` to `(..., 2)`: estimate and its standard deviation (that
        of another measured label: noise included); NaN where the latents are.
    """
    try:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
    except ImportError as error:
        raise ImportError("estimate needs scikit-learn: pip install 'xrdae[estimate]'") from error
    if len(latents) > LARGEST_REFERENCE:
        some = np.random.default_rng(seed).choice(len(latents), LARGEST_REFERENCE, replace=False)
        latents, labels = latents[some], labels[some]
    lengths = np.ones(latents.shape[1])
    kernel = ConstantKernel(1.0, (1e-3, 1e5)) * Matern(lengths, (1e-2, 1e3), nu=1.5) + WhiteKernel(
        1e-2, (1e-8, 1e1)
    )
    process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=seed)
    with _quiet_bounds():
        process.fit(latents.astype(np.float64), labels.astype(np.float64))

    def predict(query: Float) -> Float:
        flat = np.asarray(query, dtype=np.float64).reshape(-1, query.shape[-1])
        out = np.full((len(flat), 2), np.nan)
        known = np.isfinite(flat).all(axis=1)
        if known.any():
            out[known] = np.stack(process.predict(flat[known], return_std=True), axis=1)
        return out.reshape(*query.shape[:-1], 2)

    return predict


def _quiet_bounds() -> Any:
    """Silence the hints that a kernel parameter ended at its bound: a noise-free label does."""
    from sklearn.exceptions import ConvergenceWarning

    return warnings.catch_warnings(action="ignore", category=ConvergenceWarning)


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
    known = np.isfinite(latents).all(axis=1) & np.isfinite(labels)
    if known.sum() < 3:
        raise DataError(f"only {known.sum()} reference patterns have {label!r}; 3 are needed")
    (out,) = apply(
        gaussian_process(latents[known], labels[known], seed=seed),
        latent,
        dim="latent_axis",
        outputs=[("part",)],
        sizes={"part": 2},
        dtypes=[np.float64],
    )
    units = {"units": attrs["units"]} if "units" in attrs else {}
    name = attrs.get("long_name", label)
    parts = {"estimate": "estimate", "std": "standard deviation of the estimate"}
    return xr.Dataset(
        {
            f"{label}_{part}": out.isel(part=i).assign_attrs(units, long_name=f"{name} ({what})")
            for i, (part, what) in enumerate(parts.items())
        }
    )
