"""Labels of files from a CSV table."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import DataError

Column = tuple[npt.NDArray[Any], dict[str, str]]

_HEADER = re.compile(r"^(.*?)\s*[\[(]([^\])]+)[\])]$")  # T [K], T (K)


def read_labels(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, Column]:
    """Return the columns of a table in the order of the files: values `(file,)` and attributes.

    Parameters
    ----------
    path
        A CSV file with a header line; commas, semicolons or tabs. The column `file`, else the first
        one, holds names of files, with or without folder and ending.
    names
        Of the files.

    Raises
    ------
    DataError
        If the table cannot be read, names a file twice, or lacks one.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, sep=None, engine="python", skipinitialspace=True)
    except (ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise DataError(f"{os.fspath(path)} is no CSV table with a header: {error}") from error
    columns = {str(name).strip(): name for name in table.columns}
    key = next((n for n in columns if n.lower() in ("file", "filename")), next(iter(columns)))
    given = [str(value).strip() for value in table[columns[key]]]
    rows = [_find_row(name, given, path) for name in names]
    found: dict[str, Column] = {}
    for header, name in columns.items():
        if header == key:
            continue
        match = _HEADER.match(header)
        attrs = {"units": match[2]} if match else {}
        values = table[name].iloc[rows].to_numpy()
        if values.dtype.kind not in "biuf":
            values = np.array(["" if pd.isna(v) else str(v) for v in values])
        found[match[1] if match else header] = values, attrs
    return found


def _find_row(name: str, given: Sequence[str], path: str | os.PathLike[str]) -> int:
    """Return the one row whose name is that of a file: whole, without folder, without ending."""
    file = PurePath(name)
    for known in (
        lambda row: row == name,
        lambda row: PurePath(row).name == file.name,
        lambda row: PurePath(row).name == file.stem,
        lambda row: PurePath(row).stem == file.stem,
    ):
        rows = [i for i, row in enumerate(given) if known(row)]
        if len(rows) == 1:
            return rows[0]
        if rows:
            raise DataError(f"{os.fspath(path)} has {len(rows)} rows for the file {name!r}")
    raise DataError(
        f"{os.fspath(path)} has no row for the file {name!r}; its first names are {given[:3]}"
    )
