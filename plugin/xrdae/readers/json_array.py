"""xarray objects as JSON (`DataArray.to_dict()`), as pdfgetx3-based pipelines keep `.iq` data."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from xrdae.errors import FormatError
from xrdae.readers.data_file import DataFile
from xrdae.readers.scan import Scan
from xrdae.readers.text_header import DATAFORMATS

_START = re.compile(r'\s*\{\s*"(?:dims|attrs|data|coords|name)"\s*:')


def is_mine(file: DataFile) -> bool:
    """Tell whether a file is a JSON object that begins as xarray's do."""
    return file.text is not None and _START.match(file.text[:200]) is not None


def read_scans(file: DataFile) -> list[Scan]:
    """Return the scan: `data` holds a row of positions and a row of intensities.

    The `dataformat` of the processing gives the kind of the positions.
    """
    try:
        content: dict[str, Any] = json.loads(file.text or "")
        rows = np.asarray(content["data"], dtype=np.float64)
        form = str(content["attrs"]["config"]["dataformat"]).lower()
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FormatError(
            f"its JSON holds no rows of positions and intensities with a dataformat: {error!r}"
        ) from error
    if rows.ndim != 2 or len(rows) < 2:
        raise FormatError(f"its data have the shape {rows.shape}; (2, point) is read")
    if form not in DATAFORMATS:
        raise FormatError(f"its dataformat {form!r} is none of {', '.join(DATAFORMATS)}")
    axis = DATAFORMATS[form]
    metadata = {"title": str(content["attrs"].get("Description", ""))}
    return [Scan(axis.kind, rows[0] * axis.factor, rows[1], metadata=metadata)]
