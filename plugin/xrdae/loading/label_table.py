"""Labels of files from a CSV table."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from pathlib import PurePath, PureWindowsPath
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import DataError, FormatError
from xrdae.readers.data_file import DataFile

Column = tuple[npt.NDArray[Any], dict[str, str]]

_HEADER = re.compile(r"^(.*?)\s*[\[(]([^\])]+)[\])]$")  # T [K], T (K)


def read_labels(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, Column]:
    """Return the columns of a table in the order of the files: values `(file,)` and attributes.

    Parameters
    ----------
    path
        A CSV file with a header line and commas, semicolons or tabs. The column `file`, or else
        the first column, holds file names, with or without folder and ending.
    names
        Names of the files.

    Raises
    ------
    DataError
        If the table cannot be read, has two rows for a file, or no row for a file.
    """
    import pandas as pd

    try:
        text = DataFile.open(path).text or ""
    except FormatError as error:
        raise DataError(f"{os.fspath(path)}: {error}") from error
    if text[:4].lower() == "sep=":  # Excel
        text = text.partition("\n")[2]
    delimiter = max(";\t,", key=text.partition("\n")[0].count)
    try:
        table = pd.read_csv(
            io.StringIO(text),
            sep=delimiter,
            dtype=str,
            skipinitialspace=True,
            skip_blank_lines=True,
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{os.fspath(path)} is not a CSV table with a header: {error}") from error
    columns = {str(name).strip(): name for name in table.columns}
    key = next((n for n in columns if n.lower() in ("file", "filename")), next(iter(columns)))
    rows = _find_rows(names, [str(value).strip() for value in table[columns[key]]], path)
    found: dict[str, Column] = {}
    for header, name in columns.items():
        if header == key:
            continue
        match = _HEADER.match(header)
        attrs = {"units": match[2]} if match else {}
        values = _parse_numbers(table[name], has_decimal_comma=delimiter != ",")[rows]
        label = match[1] if match else header
        if label in found or "/" in label:
            reason = "occurs twice" if label in found else "has a slash, which files cannot hold"
            raise DataError(f"{os.fspath(path)}: the column {label!r} {reason}; rename it")
        found[label] = values, attrs
    return found


def _parse_numbers(column: Any, *, has_decimal_comma: bool) -> npt.NDArray[Any]:
    """Return a column as numbers if all entries are numbers, otherwise as texts."""
    import pandas as pd

    texts = [column, column.str.replace(",", ".")] if has_decimal_comma else [column]
    for text in texts:
        try:
            return np.asarray(pd.to_numeric(text))
        except ValueError:
            continue
    return np.array(["" if pd.isna(value) else value.strip() for value in column])


def _find_rows(
    names: Sequence[str], given: Sequence[str], path: str | os.PathLike[str]
) -> list[int]:
    """Return the row of each file, matched by full name, without folder, or without ending."""
    whole: dict[str, list[int]] = {}
    bare: dict[str, list[int]] = {}
    stems: dict[str, list[int]] = {}
    for i, row in enumerate(given):
        plain = PureWindowsPath(row)  # splits names at both kinds of slash
        for known, name in ((whole, row), (bare, plain.name), (stems, plain.stem)):
            known.setdefault(name, []).append(i)
    found = []
    for name in names:
        file = PurePath(name)
        rows = whole.get(name) or bare.get(file.name) or bare.get(file.stem) or stems.get(file.stem)
        if not rows:
            raise DataError(
                f"{os.fspath(path)} has no row for the file {name!r}; its first names are "
                f"{given[:3]}"
            )
        if len(rows) > 1:
            raise DataError(f"{os.fspath(path)} has {len(rows)} rows for the file {name!r}")
        found.append(rows[0])
    return found
