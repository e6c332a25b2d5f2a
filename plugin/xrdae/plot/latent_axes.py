"""Choose the latent axes that a plot shows."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index

import numpy as np
import xarray as xr

from xrdae.errors import DataError


def choose_latent_axes(
    array: xr.DataArray, latent_axes: Sequence[int] | None, *, most: int, default: int
) -> tuple[list[int], list[str]]:
    """Return positions and names of the latent axes to show.

    Parameters
    ----------
    array
        `(..., latent_axis)`. The coordinate `latent_axis` numbers the axes; without it their
        positions do.
    latent_axes
        Numbers of the axes; None: the first ones.
    most
        Largest number of axes that the plot can show.
    default
        Number of axes that None stands for; fewer if there are fewer.

    Returns
    -------
    positions, names
        Along `latent_axis`, such as `[0, 2]` and `["latent axis 0", "latent axis 2"]`.

    Raises
    ------
    DataError
        If an axis does not exist or is given twice, or there are too many axes or none.

    Examples
    --------
    >>> import xarray as xr
    >>> from xrdae.plot.latent_axes import choose_latent_axes
    >>> array = xr.DataArray([[0.0, 1.0, 2.0]], dims=("pattern", "latent_axis"))
    >>> choose_latent_axes(array, (0, 2), most=2, default=2)
    ([0, 2], ['latent axis 0', 'latent axis 2'])
    """
    known = _number_axes(array)
    if latent_axes is None:
        wanted = known[:default]
    else:
        wanted = _read_numbers(latent_axes)
        existing = f"the dataset has the latent axes {', '.join(map(str, known))}"
        missing = [axis for axis in wanted if axis not in known]
        if missing:
            raise DataError(f"latent_axes={latent_axes}: there is no axis {missing[0]}; {existing}")
        if len(set(wanted)) < len(wanted):
            raise DataError(f"latent_axes={latent_axes} repeats an axis; {existing}")
    if not 1 <= len(wanted) <= most:
        count = f"1 to {most}" if most > 2 else "one or two"
        numbers = ", ".join(map(str, known))
        raise DataError(
            f"this plot shows {count} latent axes, not {len(wanted)}; choose some of {numbers} "
            "with latent_axes="
        )
    return [known.index(axis) for axis in wanted], [f"latent axis {axis}" for axis in wanted]


def _number_axes(array: xr.DataArray) -> list[int]:
    """Return the number of each latent axis: of a part of the axes, their original numbers."""
    size = array.sizes["latent_axis"]
    if "latent_axis" not in array.coords:
        return list(range(size))
    numbers = array["latent_axis"].values
    if numbers.dtype.kind not in "iu" or np.unique(numbers).size < size:
        return list(range(size))
    return [int(number) for number in numbers]


def _read_numbers(latent_axes: Sequence[int]) -> list[int]:
    try:
        return [index(axis) for axis in latent_axes]
    except TypeError:
        raise DataError(
            f"latent_axes={latent_axes!r} are not the numbers of axes; give a tuple such as (0, 2)"
        ) from None
