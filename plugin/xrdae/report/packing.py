"""Pack arrays for a page: compressed, in base64, with a header of their positions."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[Any]

LEVELS = 65534  # of a quantized row; one more code is NaN
TYPES = {"f": "float32", "i": "int32", "u": "uint16", "b": "int32"}


def pack(arrays: Mapping[str, Float]) -> tuple[dict[str, dict[str, Any]], str]:
    """Return the header and all arrays in one base64 text.

    The header has `type`, `shape` and `start` [byte] of each. What is not uint16 (see `quantize`)
    becomes float32, float64 where it is that, or int32; little-endian.
    """
    header, parts, start = {}, [], 0
    for name, array in arrays.items():
        kind = array.dtype.name if array.dtype == np.float64 else TYPES[array.dtype.kind]
        part = np.ascontiguousarray(array, dtype=np.dtype(kind).newbyteorder("<")).tobytes()
        part += b"\0" * (-len(part) % 8)  # typed arrays in the page must be aligned
        header[name] = {"type": kind, "shape": list(array.shape), "start": start}
        parts.append(part)
        start += len(part)
    # mtime=0: the same data give the same page.
    text = base64.b64encode(gzip.compress(b"".join(parts), compresslevel=5, mtime=0))
    return header, text.decode("ascii")


def quantize(name: str, rows: Float) -> dict[str, Float]:
    """Return rows `(row, column)` in 16 bits, with a step and an offset for each row.

    A value is `offset + step * code`; it is wrong by at most half a step, a part in 130 000 of the
    row's range. NaN has the code 65535.
    """
    finite = np.isfinite(rows)
    low = np.where(finite, rows, np.inf).min(axis=1, initial=np.inf)
    high = np.where(finite, rows, -np.inf).max(axis=1, initial=-np.inf)
    low, high = (np.where(np.isfinite(end), end, 0.0) for end in (low, high))
    step = np.maximum(high - low, 1e-30) / LEVELS
    codes = np.where(finite, (rows - low[:, None]) / step[:, None], 0).round()
    codes = np.where(finite, codes, LEVELS + 1).astype(np.uint16)
    return {name: codes, f"{name}.offset": low, f"{name}.step": step}
