"""Labels that are classes and no numbers: texts, truth values and CF flags."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr


def is_category(label: xr.DataArray | xr.Variable) -> bool:
    """Tell whether a label is a category: text, a truth value, or numbers with `flag_values`.

    Integers are numbers unless the attribute `flag_values` or `flag_meanings` of the CF conventions
    (section 3.5) says that they are flags.
    """
    return label.dtype.kind in "bUSOT" or bool({"flag_values", "flag_meanings"} & set(label.attrs))


def find_category_names(label: xr.DataArray | xr.Variable) -> npt.NDArray[np.str_]:
    """Return the categories of a label as texts, of its shape; "" where it is not known."""
    values = np.asarray(label.values)
    if values.dtype.kind in "iuf":
        return _find_flag_names(values, label.attrs)
    texts = ["" if _is_missing(v) else _decode_text(v) for v in values.ravel().tolist()]
    return np.array(texts, dtype=np.str_).reshape(values.shape)


def order_categories(label: xr.DataArray, names: npt.NDArray[np.str_]) -> list[str]:
    """Return the names of categories that occur: flags by their values, others by the alphabet."""
    known = names != ""
    if label.dtype.kind not in "iuf":
        return sorted(set(names[known].tolist()))
    _, first = np.unique(label.values[known], return_index=True)
    return list(dict.fromkeys(names[known][first].tolist()))


def _find_flag_names(values: npt.NDArray[Any], attrs: Any) -> npt.NDArray[np.str_]:
    meanings = attrs.get("flag_meanings", "")
    words = meanings.split() if isinstance(meanings, str) else [str(word) for word in meanings]
    flags = np.atleast_1d(attrs.get("flag_values", np.arange(len(words)))).tolist()
    names = dict(zip(flags, words, strict=False))
    texts = ["" if v != v else names.get(v, f"{v:g}") for v in values.ravel().tolist()]
    return np.array(texts, dtype=np.str_).reshape(values.shape)


def _is_missing(value: Any) -> bool:
    """Tell whether a value is None, NaN, or pandas.NA, which compares equal to no value."""
    if value is None:
        return True
    try:
        return bool(value != value)
    except TypeError:  # the truth of NA is not known
        return True


def _decode_text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
