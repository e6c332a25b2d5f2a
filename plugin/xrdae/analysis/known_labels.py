"""Known labels: those of a dataset's patterns, or else those of the training patterns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.analysis.classify import Classes
from xrdae.autoencoder.fitted import Fitted
from xrdae.convention.categories import find_category_names, is_category, order_categories
from xrdae.convention.patterns import Patterns
from xrdae.errors import DataError

Float = npt.NDArray[Any]


def find_labels(
    patterns: Patterns, names: list[str], dataset: xr.Dataset, *, fall_back: bool = True
) -> Float | None:
    """Return labels `(pattern, label)` of the patterns of a dataset.

    Parameters
    ----------
    patterns
        The patterns of `dataset`.
    names
        Names of numeric labels.
    dataset
        The dataset, to tell in an error that a label is a category.
    fall_back
        Return None if the patterns lack a label, so that the training labels are used.

    Raises
    ------
    DataError
        If there is no such numeric label.
    """
    known = patterns.labels()
    missing = [name for name in names if name not in known]
    hint = _hint_at_category(dataset, missing[0]) if missing else ""
    if missing and fall_back and not hint:
        return None
    if missing:
        raise DataError(
            f"the {'dataset' if fall_back else 'reference'} has no numeric label {missing[0]!r} "
            f"along its sample dimensions; it has {sorted(known)}{hint}"
        )
    return np.stack([known[name].values.ravel() for name in names], axis=1).astype(float)


def find_training_labels(
    fitted: Fitted, names: list[str], dataset: xr.Dataset | None = None
) -> tuple[Float, Float]:
    """Return latents `(pattern, latent_axis)` and labels `(pattern, label)` of the training data.

    If a label is a category in `dataset`, the error says so.

    Raises
    ------
    DataError
        If the training data have no such numeric label.
    """
    for name in names:
        if name not in fitted.labels or name == "latent":
            raise DataError(
                f"the training data have no numeric label {name!r}; they have "
                f"{fitted.label_names()}: give a dataset with this label (reference= of "
                f"estimate and relevance){_hint_at_category(dataset, name)}"
            )
    labels = np.stack([fitted.labels[name].values for name in names], axis=1)
    return fitted.labels["latent"].values, labels.astype(float)


def find_known_latents(
    fitted: Fitted,
    patterns: Patterns,
    names: list[str],
    dataset: xr.Dataset,
    encode: Callable[[Patterns], xr.Dataset],
) -> tuple[Float, Float]:
    """Return latents `(pattern, latent_axis)` and labels `(pattern, label)` of known patterns.

    The known patterns are those of a dataset, or the training data if the dataset lacks a label.

    Parameters
    ----------
    fitted
        Result of the fit.
    patterns
        The patterns of `dataset`.
    names
        Names of numeric labels.
    dataset
        The dataset.
    encode
        Function that returns `latent` of the patterns.

    Raises
    ------
    DataError
        If there is no such numeric label.
    """
    labels = find_labels(patterns, names, dataset)
    if labels is None:
        return find_training_labels(fitted, names)
    return encode(patterns)["latent"].values.reshape(-1, fitted.n_latent), labels


def find_category(patterns: Patterns, name: str) -> xr.DataArray | None:
    """Return a category along the sample dimensions, on all of them; None if there is none."""
    template = patterns.intensity.isel({patterns.dim: 0}, drop=True)
    coord = template.coords.get(name)
    if coord is None or not coord.dims or not is_category(coord):
        return None
    found: xr.DataArray = coord.broadcast_like(template).transpose(*patterns.sample_dims)
    return found


def find_classes(label: xr.DataArray) -> tuple[Classes, npt.NDArray[np.intp]]:
    """Return the classes of a category that occur, and positions in them `(pattern,)`.

    The position is -1 where the class is not known.
    """
    texts = find_category_names(label).ravel()
    names = order_categories(label, texts.reshape(label.shape))
    positions = np.full(texts.size, -1)
    for i, name in enumerate(names):
        positions[texts == name] = i
    flags = list(range(len(names)))
    if label.dtype.kind in "iuf":
        values = [label.values.ravel()[positions == i][0] for i in flags]
        flags = [int(value) for value in values] if all(v == int(v) for v in values) else flags
    return Classes(names, flags, min(-1, *(flag - 1 for flag in flags))), positions


def _hint_at_category(dataset: xr.Dataset | None, name: str) -> str:
    """Return a hint for an error if a label is a category, otherwise an empty text."""
    if dataset is None or name not in dataset.variables or not is_category(dataset.variables[name]):
        return ""
    return (
        f"; {name!r} is a category (text, truth values or CF flags), not a number: estimate takes "
        "categories of a dataset that is given as reference="
    )
