"""Every result that xrdae adds to a dataset: its name, dimensions, units and description.

The one place to change when a result is renamed or added. A dataset that uses one of these names
for something else is refused with an error that says so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from xrdae.errors import DataError, warn

AXIS = "<axis>"  # stands for the name of the dataset's axis
OF_INTENSITY, OF_AXIS, OF_LABEL = "<intensity>", "<axis>", "<label>"  # units taken from these


@dataclasses.dataclass(frozen=True)
class Result:
    """Description of a result variable.

    Attributes
    ----------
    dims
        After the sample dimensions, or all of them where `per_pattern` is False.
    units
        "1", or those of the intensity, of the axis or of the label.
    long_name
        Its description.
    per_pattern
        Whether each pattern has one.
    """

    dims: tuple[str, ...]
    units: str
    long_name: str
    per_pattern: bool = True


RESULTS: Mapping[str, Result] = {
    "latent": Result(("latent_axis",), "1", "latent coordinates (autoencoder)"),
    "latent_std": Result(
        ("latent_axis",), "1", "standard deviation of the latents between members"
    ),
    "reconstruction_error": Result((), "1", "relative reconstruction error"),
    "novelty": Result((), "1", "distance from the training data; above 1: novel"),
    "reconstruction": Result((AXIS,), OF_INTENSITY, "reconstructed intensity"),
    "relevance": Result(("region",), "1", "shift of the latent point when replaced"),
    "region_change": Result(
        ("region",), OF_INTENSITY, "change of the region that the rest of the pattern confirms",
        per_pattern=False,
    ),
    "region_std": Result(
        ("region",), OF_INTENSITY, "standard deviation of the region", per_pattern=False
    ),
    "relevance_excess": Result(
        ("region",), "1", "relative change of the region over that of the pattern, less 1",
        per_pattern=False,
    ),
    "relevance_significance": Result(
        ("region",), "1", "standard errors below half or above twice the expected change",
        per_pattern=False,
    ),
    "relevance_verdict": Result(
        ("region",), "1", "whether the region is relevant", per_pattern=False
    ),
    "latent_shift": Result(("region", "latent_axis"), "1", "latents when replaced less latents"),
    "relevance_profile": Result((AXIS,), "1", "relevance along the axis"),
    "synthesized": Result(
        ("synthetic", AXIS), OF_INTENSITY, "synthesized intensity", per_pattern=False
    ),
    "synthesized_std": Result(
        ("synthetic", AXIS), OF_INTENSITY, "standard deviation of synthesized intensity",
        per_pattern=False,
    ),
    "synthesized_latent": Result(
        ("synthetic", "latent_axis"), "1", "latent coordinates (autoencoder)", per_pattern=False
    ),
    "synthesized_novelty": Result(
        ("synthetic",), "1", "distance from the training data; above 1: novel", per_pattern=False
    ),
    "cluster": Result((), "1", "cluster; -1 between clusters, -2 unknown"),
    "cluster_probability": Result(
        ("cluster_axis",), "1", "part of the partitions that put the pattern into the cluster"
    ),
    "cluster_margin": Result(
        (), "1", "margin to the next cluster over its median; small: between clusters"
    ),
    "cluster_pattern": Result(
        ("cluster_axis", AXIS), OF_INTENSITY, "mean intensity of the cluster", per_pattern=False
    ),
}  # fmt: skip
REGION_BOUNDS = {
    f"region_{edge}": Result(("region",), OF_AXIS, f"{edge} of the region", per_pattern=False)
    for edge in ("start", "stop", "center")
}
# Results that belong to a label: their name and description.
LABEL_RESULTS: Mapping[str, tuple[str, str]] = {
    "estimate": ("{label}_estimate", "{title} (estimate)"),
    "std": ("{label}_std", "{title} (standard deviation of the estimate)"),
    "low": ("{label}_low", "{title} (lower end of the 95 % interval)"),
    "high": ("{label}_high", "{title} (upper end of the 95 % interval)"),
    "probability": ("{label}_probability", "{title} (probability of each class)"),
    "class": ("{label}_class", "{title} (class)"),
    "change": ("{label}_change", "change of the region with {title}"),
    "pvalue": ("{label}_pvalue", "p-value of the change with {title}"),
    "verdict": ("{label}_verdict", "whether the region is relevant for {title}"),
    "slope": ("{label}_slope", "relative change of the content with {title}"),
    "r2": ("{label}_r2", "R2 of {title} from the region alone"),
    "shift": ("{label}_shift", "estimate of {title} when replaced less estimate"),
    "synthesized": ("synthesized_{label}", "{title}"),
}
# Dimensions that only results have.
RESULT_DIMS = ("latent_axis", "region", "synthetic", "cluster_axis")
MODEL_INPUT_DIM = "channel"
AXIS_ATTRIBUTE = "xrdae_axis"  # of the intensity: the dimension that an adapter knows is the axis
RESERVED = frozenset({*RESULTS, *REGION_BOUNDS, *RESULT_DIMS})
SCALE_NAME = "what the intensity of a pattern was divided by"
_OF_LABEL_AND_REGION = tuple(
    LABEL_RESULTS[part][0].format(label="")
    for part in ("change", "pvalue", "verdict", "slope", "r2", "shift")
)
_BESIDE_LATENTS = ("reconstruction_error", "novelty", "reconstruction", "relevance_profile")


def find_scale(inputs: xr.DataArray) -> xr.DataArray | None:
    """Return the scale of model input, and warn if there is none.

    A coordinate `scale` is a label of the user's unless its description says that it is ours.
    """
    scale: xr.DataArray | None = inputs.coords.get("scale")
    if scale is not None and scale.attrs.get("long_name") == SCALE_NAME:
        return scale
    warn(
        "the model input that was given has no coordinate 'scale' of Model.model_input: results "
        "are relative intensities, not in the units of the data"
    )
    return None


def describe_results(
    variables: Mapping[str, xr.Variable], units: str = "1"
) -> dict[str, xr.Variable]:
    """Return results with their units and descriptions; `units` where they are the data's."""
    described = {}
    for name, variable in variables.items():
        result = RESULTS.get(name) or REGION_BOUNDS[name]
        described[name] = variable.copy(deep=False)
        described[name].attrs = {
            **variable.attrs,
            "units": result.units if result.units == "1" else units,
            "long_name": result.long_name,
        }
    return described


def name_label_result(part: str, label: str) -> str:
    """Return the name of a result that belongs to a label: "estimate" of x is x_estimate."""
    return LABEL_RESULTS[part][0].format(label=label)


def describe_label_result(part: str, title: str) -> str:
    """Return the description of a result that belongs to a label, of its name or long name."""
    return LABEL_RESULTS[part][1].format(title=title)


def find_class_dims(result: xr.Dataset) -> set[Hashable]:
    """Return the dimensions `<label>_class` of a result."""
    ending = name_label_result("class", "")
    return {
        d
        for d in result.dims
        if str(d).endswith(ending)
        and name_label_result("probability", str(d).removesuffix(ending)) in result.data_vars
    }


def is_described(name: Hashable, attrs: Mapping[Any, Any]) -> bool:
    """Tell whether a variable of a result's name has the description of that result."""
    result, text = RESULTS.get(str(name)) or REGION_BOUNDS.get(str(name)), attrs.get("long_name")
    if result is not None:
        return bool(text == result.long_name)
    parts = ("estimate", "std", "low", "high", "probability", "class")
    return any(
        str(name).endswith(name_label_result(part, ""))
        and str(text).endswith(describe_label_result(part, ""))
        for part in parts
    )


def is_result_remnant(name: Hashable, variable: xr.Variable) -> bool:
    """Tell whether a variable is what selecting along a result's dimension has left: a position."""
    is_position = variable.ndim == 0 and variable.dtype.kind in "iu"
    return is_described(name, variable.attrs) or (
        is_position and str(name) in ("latent_axis", "synthetic", "cluster_axis")
    )


def check_sample_names(array: xr.DataArray, dim: Hashable) -> None:
    """Refuse patterns whose sample dimensions or labels have names that results need.

    Parameters
    ----------
    array
        The intensity with its coordinates.
    dim
        Its axis.

    Raises
    ------
    DataError
        If there is such a name. The message gives the name and how to rename it.
    """
    for d in array.dims:
        if d != dim and d != "synthetic" and (d in RESERVED or d == MODEL_INPUT_DIM):
            raise make_clash_error(d, "a dimension of the patterns")
    for name, coord in array.coords.items():
        is_label = dim not in coord.dims and name not in array.dims
        if is_label and name in RESERVED and not is_result_remnant(name, coord.variable):
            raise make_clash_error(name, "a coordinate of the patterns")


def check_result_names(dataset: xr.Dataset, result: xr.Dataset, earlier: Collection[str]) -> None:
    """Refuse to replace a variable that is not an earlier result.

    Parameters
    ----------
    dataset
        What a result shall be added to.
    result
        The result.
    earlier
        Names of results that the provenance of the dataset lists.

    Raises
    ------
    DataError
        If a variable of the dataset has the name of a variable of the result.
    """
    for d in RESULT_DIMS:
        if d in result.dims and d in dataset.data_vars:
            raise make_clash_error(d, "a variable of the dataset")
    latent = dataset.variables.get("latent")
    if latent is not None and "latent_axis" in latent.dims:  # hosts may drop the attributes
        earlier = {*earlier, *_BESIDE_LATENTS}
    for name in result.data_vars:
        if name in dataset.variables and not _is_earlier_result(
            name, dataset.variables[name], earlier
        ):
            is_coord = name in dataset.coords
            raise make_clash_error(
                name, "a coordinate" if is_coord else "a variable of the dataset"
            )


def check_stale_names(
    dataset: xr.Dataset, stale: Sequence[Hashable], earlier: Collection[str]
) -> None:
    """Refuse to drop a variable that is not an earlier result.

    Parameters
    ----------
    dataset
        What a result shall be added to.
    stale
        Variables along a dimension that the result replaces.
    earlier
        Names of results that the provenance of the dataset lists.

    Raises
    ------
    DataError
        If one of them is not from xrdae; the message names the dimension.
    """
    for name in stale:
        variable = dataset.variables[name]
        if not _is_earlier_result(name, variable, earlier):
            dim = next((d for d in variable.dims if d in RESULT_DIMS), variable.dims[-1])
            raise make_clash_error(dim, f"a dimension of the dataset's {str(name)!r}")


def _is_earlier_result(name: Hashable, variable: xr.Variable, earlier: Collection[str]) -> bool:
    """Tell whether a variable is an earlier result, also where a host has lost its attributes."""
    text = str(name)
    if text in RESULT_DIMS:  # positions are ours, names of regions are not
        is_whole = variable.dtype.kind in "iu"
        return is_whole and bool((variable.values == np.arange(variable.size)).all())
    result = RESULTS.get(text) or REGION_BOUNDS.get(text)
    own = () if result is None else result.dims
    new_dims = set(own) & set(RESULT_DIMS)
    return (
        text in earlier
        or is_described(name, variable.attrs)
        or bool(new_dims and new_dims <= set(variable.dims))
        or ("synthetic" in variable.dims and text.startswith("synthesized"))
        or ("region" in variable.dims and text.endswith(_OF_LABEL_AND_REGION))
    )


def make_clash_error(name: Hashable, what: str) -> DataError:
    """Return the error for a name that the dataset already has. It says how to rename it."""
    return DataError(
        f"{str(name)!r} is {what}, and the name of a result of xrdae; rename it: "
        f"ds.rename({{{str(name)!r}: {str(name) + '_label'!r}}})"
    )
