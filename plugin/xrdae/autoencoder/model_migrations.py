"""Model files of earlier formats, brought to today's, one step a format.

Format 1 measured what the basis leaves over channel by channel, smoothed; 2 does so in bins.
Format 2 had no checksum, and at first `provenance` was the versions alone.
Format 4 had no mixture: `Model` finds it when it is first needed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.autoencoder.novelty import bin_channels, find_halvings
from xrdae.convention.axis_kinds import LONG_NAMES, UNITS

VERSION = 5  # of what is written
WITH_MIXTURE = 5  # the first format that holds the mixture of synthesis methods
FWHM = 2.355  # full width at half maximum of a Gaussian over its standard deviation


@dataclasses.dataclass
class Content:
    """What is in a model file.

    Attributes
    ----------
    attrs
        By the group's name, "" for the root.
    arrays
        By the names of group and array.
    array_attrs
        Likewise.
    """

    attrs: dict[str, dict[str, Any]]
    arrays: dict[str, dict[str, npt.NDArray[Any]]]
    array_attrs: dict[str, dict[str, dict[str, Any]]]


def upgrade_content(content: Content, version: int) -> Content:
    """Return the content of a file of an earlier format as the present one has it."""
    for step in _STEPS[version - 1 :]:
        content = step(content)
    return content


def _bin_residuals(content: Content) -> Content:
    """Format 1 to 2: the usual residual in bins, of that which was smoothed by a Gaussian.

    For a residual without correlation between channels this is exact but for the mean over a bin;
    the training patterns that would tell more are not in the file.
    """
    support, attrs = content.arrays["support"], content.attrs["support"]
    smoothed, width = np.asarray(support["residual_scale"], float), float(attrs["width"])
    halvings = find_halvings(smoothed.size, width)
    # A Gaussian of standard deviation s averages over 2 sqrt(pi) s channels, a bin adds 2^halvings.
    averaged = 2 * np.sqrt(np.pi) * width / FWHM
    power = bin_channels(np.square(smoothed), halvings) * max(averaged, 1.0)
    found = support | {"residual_scale": np.sqrt(power).astype(np.float32)}
    content.arrays["support"] = found
    content.attrs["support"] = attrs | {"halvings": np.int64(halvings)}
    return content


def _nest_versions(content: Content) -> Content:
    """Format 2 to 3: what was made before the provenance of data was kept has versions only."""
    made = content.attrs[""]["provenance"]
    if isinstance(made, dict) and "versions" not in made:
        content.attrs[""]["provenance"] = {"versions": made}
    return content


def _name_axis(content: Content) -> Content:
    """Format 3 to 4: all axes were those of diffraction, no intensity signed or transformed."""
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
    """Format 4 to 5: the mixture is found again from the rest."""
    return content


_STEPS: tuple[Callable[[Content], Content], ...] = (
    _bin_residuals,
    _nest_versions,
    _name_axis,
    _keep_without_mixture,
)
