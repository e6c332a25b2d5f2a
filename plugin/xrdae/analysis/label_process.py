"""Gaussian processes of labels over some coordinates of patterns, and their held-out estimates."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg
import scipy.optimize

from xrdae.preprocessing.subsets import choose_evenly

Float = npt.NDArray[Any]

KERNEL_PATTERNS = 400  # from which the parameters of a kernel are found
LENGTHS = (1.0, 0.1)  # from which the likelihood is maximized: it has several maxima


@dataclasses.dataclass(frozen=True, eq=False)
class LabelProcess:
    """Gaussian process of a label, or of several with one kernel, over coordinates of patterns.

    Attributes
    ----------
    fitted
        The fitted `GaussianProcessRegressor` of scikit-learn.
    size
        Number by which the coordinates are divided.
    """

    fitted: Any
    size: float

    def predict_mean(self, coordinates: Float) -> Float:
        """Return estimates `(pattern,)` or `(pattern, label)`."""
        return np.asarray(self.fitted.predict(coordinates / self.size))

    def predict(self, coordinates: Float) -> tuple[Float, Float]:
        """Return estimates and standard deviations `(pattern,)` of one label, noise included."""
        mean, std = self.fitted.predict(coordinates / self.size, return_std=True)
        return mean, std

    def predict_held_out(self, fold: npt.NDArray[np.intp]) -> tuple[Float, Float]:
        """Return estimates and deviations of the reference patterns, each without its fold.

        They follow from the inverse of the covariance; the parameters of the kernel are those of
        all patterns (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
        section 5.4.2).

        Parameters
        ----------
        fold
            `(reference,)`.
        """
        process = self.fitted
        n = len(fold)
        precision = scipy.linalg.cho_solve((process.L_, True), np.eye(n))
        mean, std = np.empty(process.y_train_.shape), np.empty(n)
        for k in np.unique(fold):
            here = np.flatnonzero(fold == k)
            covariance = np.linalg.inv(precision[np.ix_(here, here)])
            mean[here] = process.y_train_[here] - covariance @ process.alpha_[here]
            std[here] = np.sqrt(np.maximum(np.diag(covariance), 0))
        return (
            mean * process._y_train_std + process._y_train_mean,
            np.multiply.outer(std, process._y_train_std),
        )


def fit_label_process(coordinates: Float, labels: Float, kind: str) -> LabelProcess:
    """Fit a Gaussian process of a label, or of several with one kernel.

    The parameters of the kernel maximize the likelihood of at most 400 patterns (Rasmussen and
    Williams, 2006, chapters 4 and 5; scikit-learn's implementation).

    Parameters
    ----------
    coordinates
        `(pattern, coordinate)`.
    labels
        `(pattern,)`, or `(pattern, label)`.
    kind
        "axes" (a Matern kernel, nu = 3/2, with a length for each coordinate), "distance" (the same
        with one length) or "line" (linear).
    """
    size = float(np.sqrt(np.square(coordinates - coordinates.mean(axis=0)).mean(axis=0).sum()))
    if kind == "axes":
        size /= np.sqrt(coordinates.shape[1])
    size = size or 1.0
    scaled = coordinates / size
    some = choose_evenly(len(labels), KERNEL_PATTERNS)
    starts = LENGTHS if kind != "line" else LENGTHS[:1]
    kernels = [_make_kernel(kind, scaled.shape[1], length) for length in starts]
    kernel = _maximize_likelihood(scaled[some], labels[some], kernels)
    return LabelProcess(_fit(scaled, labels, kernel), size)


def _make_kernel(kind: str, n_coordinate: int, length: float) -> Any:
    try:
        from sklearn.gaussian_process.kernels import (
            ConstantKernel,
            DotProduct,
            Matern,
            WhiteKernel,
        )
    except ImportError as error:
        raise ImportError("estimate needs scikit-learn: pip install 'xrdae[estimate]'") from error
    lengths = np.full(n_coordinate, length) if kind == "axes" else length
    shape = DotProduct(1.0, "fixed") if kind == "line" else Matern(lengths, (1e-2, 1e3), nu=1.5)
    return ConstantKernel(1.0, (1e-3, 1e5)) * shape + WhiteKernel(1e-2, (1e-8, 1e1))


def _fit(coordinates: Float, labels: Float, kernel: Any) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor

    process = GaussianProcessRegressor(kernel, normalize_y=True, optimizer=None)
    return process.fit(coordinates, labels)


def _maximize_likelihood(coordinates: Float, labels: Float, kernels: list[Any]) -> Any:
    """Return the kernel whose parameters maximize the likelihood, from several starts.

    scikit-learn's own fit warns if a parameter is at its bound, which is the case for labels
    without noise. Such a warning cannot be filtered, since filters are shared by all threads.
    """
    best, least = kernels[0], np.inf
    for kernel in kernels:
        process = _fit(coordinates, labels, kernel)

        def loss(theta: Float, process: Any = process) -> tuple[float, Float]:
            likelihood, slope = process.log_marginal_likelihood(
                theta, eval_gradient=True, clone_kernel=False
            )
            return -likelihood, -slope

        start = process.kernel_
        found = scipy.optimize.minimize(
            loss, start.theta, method="L-BFGS-B", jac=True, bounds=start.bounds
        )
        if found.fun < least:
            best, least = kernel.clone_with_theta(found.x), found.fun
    return best
