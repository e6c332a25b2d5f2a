"""Results in a Zarr store, appended so that a kill at any moment loses and repeats nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.errors import DataError, FormatError
from xrdae.live.arrivals import Signature
from xrdae.live.result_column import Column
from xrdae.live.result_layout import METADATA, list_columns, read_layout
from xrdae.loading.sources import write_zarr
from xrdae.provenance import read_provenance
from xrdae.storage.atomic_writing import write_aside
from xrdae.storage.skip_log import ATTRIBUTE, SkipLog, read_skipped

CHUNK = 2**17  # most values in a chunk; each append writes the last chunk again
SINCE_1970 = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
KEPT_IN_MIND = ("file", "scan", "modified", "size", "novel")
LAST = ("modified", "size")  # an interrupted rewriting then shows, and is done again

Key = tuple[str, int]  # of a row: file, and scan in it


class Results:
    """A Zarr store (format 2) of patterns and their results along `pattern`.

    Readers use its consolidated metadata, a file that is replaced in one step after all arrays are
    written. They therefore see complete rows only. Leftovers of a killed append are removed when
    the store is opened again. Rows of a changed file are written again column by column. (A reader
    without consolidated metadata sees the rows of the last opening until `close`.) Only one
    process can open the store for writing, under whatever name. Unreadable files are in a log
    beside the store, and in its attribute `xrdae_skipped` after `close`.

    Parameters
    ----------
    path
        The store; made with the first rows. Where it is a symbolic link, the store is its target.
    attrs
        Attributes of the store, such as the model's provenance. A store with other attributes is
        refused.

    Raises
    ------
    DataError
        If the store was made with other `attrs`, or another process writes to it.
    FileNotFoundError
        If the folder of the store does not exist.
    FormatError
        If `path` is not such a store.
    """

    def __init__(self, path: str | os.PathLike[str], attrs: Mapping[str, str]) -> None:
        import zarr  # noqa: F401  (half a second, not to be spent on the first pattern)
        from filelock import FileLock, Timeout

        self.path = Path(os.path.realpath(path))
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {os.fspath(self.path.parent)!r}")
        self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DataError(
                f"another process writes to {os.fspath(path)!r}; end it, or name another store"
            ) from None
        self._attrs = dict(attrs)
        self._rows: dict[Key, int] = {}
        self._novel: set[int] = set()
        self.files: dict[str, Signature] = {}
        self.skipped: dict[str, str] = {}
        self._columns: dict[str, Column] = {}
        self._metadata: dict[str, Any] = {}
        self._log = SkipLog(self.path)
        self._whole = True  # all that was written counts
        begun = re.compile(rf"\.{re.escape(self.path.name)}\..*\.part")
        for left in self.path.parent.iterdir():
            if begun.fullmatch(left.name) and left.is_dir():
                shutil.rmtree(left)  # from a process that was killed at its start
        try:
            if self.path.exists():
                self._open()
            else:
                self._log.remove()  # of a store that was removed
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Let other processes write to the store."""
        try:
            self._recover()
            if self._rows:
                self._commit(len(self._rows), {ATTRIBUTE: json.dumps(self.skipped)})
                self._log.remove()
                self._write_out()
        finally:
            self._lock.release()

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def novel(self) -> int:
        """Return how many rows are novel."""
        return len(self._novel)

    @property
    def fullest(self) -> float:
        """Return the largest part of the model's axis that a row covers; 0 without rows."""
        return float(self._columns["coverage"].read(0, len(self)).max()) if self._rows else 0.0

    def count_scans(self, file: str) -> int:
        """Return how many rows there are of a file."""
        n = 0
        while (file, n) in self._rows:
            n += 1
        return n

    def write(self, rows: xr.Dataset, mended: Collection[str] = ()) -> None:
        """Write rows in one step: over those of the same file and scan, or after the last row.

        Parameters
        ----------
        rows
            Variables with `pattern` as their first dimension, among them `file`, `scan`,
            `modified` [ns since 1970] and `size` [byte]. Others, such as the axis and the verdicts
            of regions, are written with the first rows only. Missing values of a column are NaN,
            empty or False. After an error, such as a full disk, no row is visible, and the rows can
            be written again.
        mended
            Files that are no longer unreadable, if they were.

        Raises
        ------
        FileNotFoundError
            If the store was removed after the first rows were written.
        """
        self._recover()
        mended = [file for file in mended if file in self.skipped]
        keys = _make_keys(rows)
        # Before the rows: if the process is killed between the two, the files are read again.
        if self._rows and mended:
            self._log.append(dict.fromkeys(mended))
        for file in mended:
            del self.skipped[file]
        self._whole = False
        if not self._rows:
            self._make(rows)
        else:
            self._extend(rows, keys)
        self._whole = True
        self._remember(keys, *(rows[name].values for name in ("modified", "size", "novel")))

    def skip(self, skipped: Mapping[str, str]) -> None:
        """Record unreadable files with reasons, on the disk once there is a row.

        Raises
        ------
        FileNotFoundError
            If the store was removed after the first rows were written.
        """
        self._recover()
        new = {file: why for file, why in skipped.items() if self.skipped.get(file) != why}
        if self._rows and new:
            self._log.append(new)
        self.skipped |= new

    def find_rows(self, rows: xr.Dataset) -> list[int]:
        """Return the positions of rows in the store."""
        return [self._rows[key] for key in _make_keys(rows)]

    def read_intensity(self, row: int) -> npt.NDArray[np.float32]:
        """Return the intensity `(point,)` of one row."""
        values: npt.NDArray[np.float32] = self._columns["intensity"].read(row, row + 1)[0]
        return values

    def read_relevance_options(self) -> dict[str, Any]:
        """Return `regions` and `fill` of `Model.relevance` by which the rows were made.

        Further rows need the same ones; an earlier version may have had others. Empty without rows.
        Versions that kept no provenance masked by "background".
        """
        if not self._rows:
            return {}
        options: dict[str, Any] = {}
        steps = read_provenance(self._metadata[".zattrs"])["steps"]
        made = [entry["arguments"].get("fill") for entry in steps if entry["step"] == "relevance"]
        if made or not steps:
            options["fill"] = str(made[-1]) if made else "background"
        with self.read() as kept:
            if "region_start" in kept and "region_stop" in kept:
                options["regions"] = np.stack([kept["region_start"], kept["region_stop"]], axis=1)
        return options

    def read(self) -> xr.Dataset:
        """Return the store's content, lazily."""
        dataset: xr.Dataset = xr.open_zarr(self.path, chunks=None)
        return dataset

    def _remember(
        self,
        keys: list[Key],
        modified: npt.NDArray[Any],
        size: npt.NDArray[Any],
        novel: npt.NDArray[Any],
    ) -> None:
        for i, (file, scan) in enumerate(keys):
            row = self._rows.setdefault((file, scan), len(self._rows))
            self.files[file] = (int(modified[i]), int(size[i]))
            if novel[i]:
                self._novel.add(row)
            else:
                self._novel.discard(row)

    def _make(self, rows: xr.Dataset) -> None:
        columns = _select_columns(rows)
        dataset = rows.assign(columns).assign_attrs(self._attrs)
        longest = max(int(np.prod(v.shape[1:])) for v in columns.values())
        n_row = min(max(1, CHUNK // longest), 1024)
        encoding = {name: {"chunks": (n_row, *v.shape[1:])} for name, v in columns.items()}
        self._log.start(self.skipped)
        with write_aside(self.path) as aside:
            write_zarr(dataset, aside, encoding=encoding)
        self._connect()

    def _extend(self, rows: xr.Dataset, keys: list[Key]) -> None:
        columns = _select_columns(rows)
        self._add_columns({n: v for n, v in columns.items() if n not in self._columns})
        known = len(self._rows)
        total = known + sum(key not in self._rows for key in keys)
        next_rows = iter(range(known, total))
        at = [self._rows.get(key, -1) for key in keys]
        at = [next(next_rows) if row < 0 else row for row in at]
        for name, column in sorted(self._columns.items(), key=lambda item: item[0] in LAST):
            column.write(at, _fit_values(columns.get(name), column, len(keys)))
        self._commit(total)

    def _add_columns(self, columns: dict[str, xr.Variable]) -> None:
        """Begin columns that no earlier row has."""
        if not columns:
            return
        strange = [name for name in columns if f"{name}/.zarray" in self._metadata]
        if strange:
            raise FormatError(
                f"{os.fspath(self.path)!r} is damaged: {strange[0]!r} has no row for each pattern; "
                "write to another store"
            )
        self._write_out()  # new metadata make all rows visible
        n = len(self._rows)
        empty = {
            name: xr.Variable(v.dims, _make_missing((n, *v.shape[1:]), v.dtype), v.attrs)
            for name, v in columns.items()
        }
        n_row = self._metadata["file/.zarray"]["chunks"][0]
        encoding = {name: {"chunks": (n_row, *v.shape[1:])} for name, v in empty.items()}
        beginning = xr.Dataset(empty).assign_attrs(self._attrs)
        write_zarr(beginning, self.path, mode="a", encoding=encoding)
        self._connect()

    def _write_out(self) -> None:
        """Write the arrays' own metadata, as they count."""
        for name, content in self._metadata.items():
            if _read_json(self.path / name) != content:
                _write_json(self.path / name, content)

    def _commit(self, total: int, attrs: Mapping[str, str] | None = None) -> None:
        """Make the written rows visible, and attributes of the store."""
        stated = self._metadata[".zattrs"]
        changed = stated | self._attrs | (attrs or {})
        if attrs is None:
            changed.pop(ATTRIBUTE, None)  # long, and written again with every row
        for name in self._columns:
            self._metadata[f"{name}/.zarray"]["shape"][0] = total
        if changed != stated:
            self._metadata[".zattrs"] = changed
            _write_json(self.path / ".zattrs", changed)
        _write_json(
            self.path / METADATA,
            {"zarr_consolidated_format": 1, "metadata": self._metadata},
        )

    def _recover(self) -> None:
        """Restore the visible state after a failed write, for example on a full disk."""
        if self._rows and not (self.path / METADATA).is_file():
            raise FileNotFoundError(
                f"the store {os.fspath(self.path)!r} was removed or moved while xrdae wrote to it; "
                "move it back, or start again to encode all files of the folder into a new store"
            )
        if not self._whole:
            if self._rows:
                self._open()
            self._whole = True

    def _open(self) -> None:
        try:
            self._metadata = read_layout(self.path)
            attrs = self._metadata[".zattrs"]
            skipped = read_skipped(self.path, attrs.get(ATTRIBUTE))
        except (OSError, ValueError) as error:
            raise FormatError(
                f"{os.fspath(self.path)!r} is not a store of live results, or damaged ({error}); "
                "name another one"
            ) from error
        differ = [name for name, value in self._attrs.items() if attrs.get(name) != value]
        if differ:
            raise DataError(
                f"{os.fspath(self.path)!r} has results of another model or threshold "
                f"({differ[0]} is {attrs.get(differ[0])!r:.200}, not {self._attrs[differ[0]]!r}): "
                "name another store"
            )
        self._connect()
        n = self._metadata["file/.zarray"]["shape"][0]
        file, scan, *rest = (self._columns[name].read(0, n) for name in KEPT_IN_MIND)
        self._remember(list(zip(file.tolist(), scan.tolist(), strict=True)), *rest)
        self.skipped = skipped
        for column in self._columns.values():
            column.read(n - 1, n)  # the last written row
        self._cut()  # once all that is needed could be read
        if not self._log.resume() or ATTRIBUTE in attrs:
            self._log.start(skipped)
            self._commit(n)

    def _cut(self) -> None:
        """Restore the metadata of the arrays to the visible rows, and remove other chunks."""
        self._write_out()
        counted = {name.partition("/")[0] for name in self._metadata if "/" in name}
        for folder in self.path.iterdir():
            if folder.is_dir() and folder.name not in counted:
                shutil.rmtree(folder)
        for left in [*self.path.rglob("*.partial"), *self.path.rglob(".*.part")]:
            left.unlink()

    def _connect(self) -> None:
        self._metadata = json.loads((self.path / METADATA).read_text())["metadata"]
        self._columns = {
            name: Column(self.path / name, self._metadata[f"{name}/.zarray"])
            for name in list_columns(self._metadata)
        }


def _make_keys(rows: xr.Dataset) -> list[Key]:
    return list(zip(rows["file"].values.tolist(), rows["scan"].values.tolist(), strict=True))


def _select_columns(rows: xr.Dataset) -> dict[str, xr.Variable]:
    """Return the variables along rows, in the form of the store."""
    return {str(n): _encode_variable(v) for n, v in rows.variables.items() if "pattern" in v.dims}


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):  # damaged or missing: it is written again
        return None


def _write_json(path: Path, content: Any) -> None:
    with write_aside(path) as aside:
        aside.write_text(json.dumps(content))


def _encode_variable(variable: xr.Variable) -> xr.Variable:
    """Return a column in the form of the store: float32 patterns, texts as objects, times in s."""
    values = np.asarray(variable.values)
    attrs = dict(variable.attrs)
    if values.dtype.kind == "M":
        seconds = values.astype("datetime64[ns]").astype(np.int64) / 1e9
        values, attrs = np.where(np.isnat(values), np.nan, seconds), attrs | SINCE_1970
    elif values.dtype.kind in "US":
        values = values.astype(object)
    elif values.dtype == np.float64 and values.ndim > 1:
        values = values.astype(np.float32)
    return xr.Variable(variable.dims, values, attrs)


def _make_missing(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    return np.full(shape, {"f": np.nan, "O": "", "b": False}.get(dtype.kind, 0), dtype)


def _fit_values(values: xr.Variable | None, column: Column, n: int) -> npt.NDArray[Any]:
    """Return values in the type and shape of a column; missing values if they do not fit.

    A label may be a number in one file and a text in the next.
    """
    if values is not None and (values.dtype.kind == "O") == column.is_text:
        return np.asarray(values.values)
    return _make_missing((n, *column.shape), column.dtype)
