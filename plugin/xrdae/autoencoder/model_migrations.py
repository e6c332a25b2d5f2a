"""Upgrade the content of model files of earlier formats, one step for each format.

Format 1 has the smoothed residual of each channel; format 2 has it in bins.
Format 2 has no checksum, and early files have only versions as provenance.
Format 4 has no mixture; `Model` computes it when it is first needed.
Format 5 has no weights of the coefficients: all are equal.
Format 6 has no whole training patterns.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.autoencoder.novelty import bin_channels, find_halvings
from xrdae.autoencoder.weights import Weights
from xrdae.convention.axis_kinds import LONG_NAMES, UNITS

VERSION = 7  # format of new files
WITH_MIXTURE = 5  # first format with the mixture of synthesis methods
WITH_WEIGHTS = 6  # first format with weights of the coefficients
WITH_REFERENCE = 7  # first format with whole training patterns
FWHM = 2.355  # full width at half maximum of a Gaussian over its standard deviation


@dataclasses.dataclass
class Content:
    """Content of a model file.

    Attributes
    ----------
    attrs
        Attributes by group; "" is the root.
    arrays
        Arrays by group and name.
    array_attrs
        Attributes of arrays, by group and name.
    """

    attrs: dict[str, dict[str, Any]]
    arrays: dict[str, dict[str, npt.NDArray[Any]]]
    array_attrs: dict[str, dict[str, dict[str, Any]]]


def upgrade_content(content: Content, version: int) -> Content:
    """Return content of an earlier format in the present format."""
    for step in _STEPS[version - 1 :]:
        content = step(content)
    return content


def _bin_residuals(content: Content) -> Content:
    """Format 1 to 2: convert the residual, smoothed by a Gaussian, to bins.

    This is exact, except for the mean over a bin, if the residuals of channels are uncorrelated.
    The file has no training patterns from which to compute it exactly.
    """
    support, attrs = content.arrays["support"], content.attrs["support"]
    smoothed, width = np.asarray(support["residual_scale"], float), float(attrs["width"])
    halvings = find_halvings(smoothed.size, width)
    # A Gaussian of standard deviation s averages 2 sqrt(pi) s channels, a bin sums 2^halvings.
    averaged = 2 * np.sqrt(np.pi) * width / FWHM
    power = bin_channels(np.square(smoothed), halvings) * max(averaged, 1.0)
    found = support | {"residual_scale": np.sqrt(power).astype(np.float32)}
    content.arrays["support"] = found
    content.attrs["support"] = attrs | {"halvings": np.int64(halvings)}
    return content


def _nest_versions(content: Content) -> Content:
    """Format 2 to 3: nest the versions of early files, which have no other provenance."""
    made = content.attrs[""]["provenance"]
    if isinstance(made, dict) and "versions" not in made:
        content.attrs[""]["provenance"] = {"versions": made}
    return content


def _name_axis(content: Content) -> Content:
    """Format 3 to 4: all axes are diffraction axes, and no intensity is signed or transformed."""
    attrs = content.attrs["preparation"]
    kind = str(attrs.get("axis_kind"))
    content.attrs["preparation"] = {
        **attrs,
        "axis_name": kind,
        "axis_units": UNITS.get(kind, ""),
        "axis_long_name": LONG_NAMES.get(kind, ""),
        "axis_descending": np.int64(0),
        "transform_floor": np.float64(1.0),
        "signed": np.int64(0),
        "sampling": np.float64(np.inf),
        "interpolation": "linear",
    }
    return content


def _keep_without_mixture(content: Content) -> Content:
    """Format 4 to 5: there is no mixture; it is computed when needed."""
    return content


def _weigh_equally(content: Content) -> Content:
    """Format 5 to 6: all coefficients have the same weight, and no predictability is known."""
    weights = Weights.equal(len(content.arrays["basis"]["components"]))
    content.attrs["component_weights"] = {"exponent": np.float64(weights.exponent)}
    content.arrays["component_weights"] = {
        "values": weights.values,
        "predictability": weights.predictability,
    }
    return content


def _keep_without_reference(content: Content) -> Content:
    """Format 6 to 7: there are no whole training patterns."""
    return content


_STEPS: tuple[Callable[[Content], Content], ...] = (
    _bin_residuals,
    _nest_versions,
    _name_axis,
    _keep_without_mixture,
    _weigh_equally,
    _keep_without_reference,
)
