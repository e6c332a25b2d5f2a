"""An array of a Zarr store (format 2) whose last chunk is kept in memory.

zarr itself reads, decodes, encodes and writes a chunk for each append, through threads: 34 ms of
processor time an append to the arrays of a live store, against 10 ms here.
The format is https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html, the codecs are numcodecs'.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.storage.atomic_writing import write_aside
from xrdae.storage.zarr_metadata import check_blosc

FILL: dict[Any, float] = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}


class Column:
    """Array `(row, ...)` in chunks of complete rows.

    Parameters
    ----------
    folder
        Of the array in the store.
    metadata
        Content of its `.zarray`.
    """

    def __init__(self, folder: Path, metadata: Mapping[str, Any]) -> None:
        import numcodecs

        self._folder = folder
        self._chunks = tuple(metadata["chunks"])
        self.dtype = np.dtype(metadata["dtype"])
        codecs = [*(metadata["filters"] or []), metadata["compressor"]]
        self.is_text = self.dtype.kind == "O"
        fill: Any = metadata["fill_value"] or ("" if self.is_text else 0)
        self._fill = FILL.get(fill, fill)
        try:  # now, not once a row is to be written
            self._codecs = [numcodecs.get_codec(dict(codec)) for codec in codecs if codec]
            self._compress(np.full(1, self._fill, dtype=self.dtype))
        except Exception as error:  # codecs raise of every kind
            raise FormatError(
                f"{os.fspath(folder)!r} cannot be written to ({error}); write to another store"
            ) from error
        self._last = -1, np.empty(0)  # number and content, read by other threads too

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return self._chunks[1:]

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Return rows from `start` to before `stop`."""
        size = self._chunks[0]
        first = start // size
        parts = [self._load(at) for at in range(first, max(first + 1, -(-stop // size)))]
        return np.concatenate(parts)[start - first * size : stop - first * size]

    def write(self, rows: Sequence[int], values: npt.NDArray[Any]) -> None:
        """Write some rows, a chunk with them in one step."""
        size = self._chunks[0]
        index = np.asarray(rows)
        for at in np.unique(index // size):
            chunk = self._load(int(at)).copy()
            here = index // size == at
            chunk[index[here] - at * size] = values[here]
            self._store(int(at), chunk)
            self._last = int(at), chunk

    def _find_path(self, at: int) -> Path:
        return self._folder / ".".join([str(at), *["0"] * (len(self._chunks) - 1)])

    def _load(self, at: int) -> npt.NDArray[Any]:
        last, chunk = self._last
        if at == last:
            return chunk
        path = self._find_path(at)
        if not path.exists():  # as zarr leaves chunks of nothing but fill values
            return np.full(self._chunks, self._fill, dtype=self.dtype)
        content: Any = path.read_bytes()
        try:
            for codec in reversed(self._codecs):
                if codec.codec_id == "blosc":
                    check_blosc(content[:16], len(content))
                content = codec.decode(content)
            if not self.is_text:
                content = np.frombuffer(content, dtype=self.dtype).copy()
            return np.asarray(content).reshape(self._chunks)
        except Exception as error:  # codecs raise of every kind
            raise FormatError(
                f"{os.fspath(path)!r} is damaged ({error}); write to another store"
            ) from error

    def _compress(self, chunk: npt.NDArray[Any]) -> Any:
        content: Any = np.ascontiguousarray(chunk)
        for codec in self._codecs:
            content = codec.encode(content)
        return content

    def _store(self, at: int, chunk: npt.NDArray[Any]) -> None:
        # The store was tidied when it was opened, and a folder may hold thousands of chunks.
        with write_aside(self._find_path(at), tidy=False) as aside:
            aside.write_bytes(self._compress(chunk))
