"""Patterns whose labels are known: their latents, and the labels beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.convention.categories import is_category
from xrdae.errors import DataError

if TYPE_CHECKING:
    from xrdae.model import Model

Float = npt.NDArray[Any]


def find_labels(
    model: Model,
    dataset: xr.Dataset,
    names: list[str],
    *,
    inputs: xr.DataArray | None = None,
    fall_back: bool = True,
) -> tuple[Float, Float]:
    """Return latents and labels of the patterns of a dataset.

    Parameters
    ----------
    model
        What encodes the patterns.
    dataset
        Patterns by the convention.
    names
        Of numeric labels.
    inputs
        Model input of the dataset where it is known.
    fall_back
        Take the training patterns where the dataset lacks a label.

    Returns
    -------
    tuple
        Latents `(pattern, latent_axis)` and labels `(pattern, label)`.

    Raises
    ------
    DataError
        If there is no such numeric label.
    """
    known = model.patterns(dataset).labels()
    missing = [name for name in names if name not in known]
    hint = _hint_at_category(dataset, missing[0]) if missing else ""
    if missing and fall_back and not hint:
        return find_training_labels(model, names)
    if missing:
        raise DataError(
            f"the {'dataset' if fall_back else 'reference'} has no numeric label {missing[0]!r} "
            f"along its sample dimensions; it has {sorted(known)}{hint}"
        )
    latents = model.encode(dataset, inputs=inputs)["latent"].values
    labels = np.stack([known[name].values.ravel() for name in names], axis=1)
    return latents.reshape(-1, model.n_latent), labels.astype(float)


def find_training_labels(
    model: Model, names: list[str], dataset: xr.Dataset | None = None
) -> tuple[Float, Float]:
    """Return latents `(pattern, latent_axis)` and labels `(pattern, label)` of the training data.

    Where a `dataset` has a label of that name that is a category, the error says so.

    Raises
    ------
    DataError
        If they have no such numeric label.
    """
    for name in names:
        if name not in model.labels or name == "latent":
            raise DataError(
                f"the training data have no numeric label {name!r}; they have "
                f"{model.label_names()}: give a dataset with this label (estimate takes it "
                f"as reference=){_hint_at_category(dataset, name)}"
            )
    labels = np.stack([model.labels[name].values for name in names], axis=1)
    return model.labels["latent"].values, labels.astype(float)


def _hint_at_category(dataset: xr.Dataset | None, name: str) -> str:
    """Return the end of an error where a label is a category, else nothing."""
    if dataset is None or name not in dataset.variables or not is_category(dataset.variables[name]):
        return ""
    return f"; {name!r} is a category (text, truth values or CF flags), which is no number"
