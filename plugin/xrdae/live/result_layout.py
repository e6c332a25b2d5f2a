"""The consolidated metadata of a store of live results, looked through before it is believed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from xrdae.errors import FormatError
from xrdae.storage import zarr_metadata

METADATA = ".zmetadata"
# Columns that every store has, and numpy's kinds of their types.
NEEDED = {"file": "O", "scan": "iu", "modified": "iu", "size": "iu", "novel": "bi"}
NEEDED |= {"intensity": "f", "coverage": "f"}
LARGEST_CHUNK = 2**24  # values; those that are written have 2**17, or one row
CODECS = {"blosc", "gzip", "lz4", "vlen-utf8", "zlib", "zstd"}  # which only unpack
_NAME = re.compile(r"\.zgroup|\.zattrs|(?!\.{1,2}/)[^/\\\0]+/\.(zarray|zattrs)")


def read_layout(path: Path) -> dict[str, Any]:
    """Return the content of each metadata file of a store, from `.zmetadata`.

    Raises
    ------
    FormatError
        If that is not as this package writes it, without the path.
    """
    content = zarr_metadata.read_metadata(path / METADATA)
    zarr_metadata.check_content(content, METADATA)
    found = content.get("metadata") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(isinstance(part, dict) for part in found.values()):
        raise FormatError(f"{METADATA} does not list arrays")
    strange = [name for name in found if not _NAME.fullmatch(name)]
    if strange:
        raise FormatError(f"{METADATA} names {strange[0]!r:.80}")
    try:
        _check_arrays(path, found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{METADATA} is damaged ({type(error).__name__}: {error})") from error
    return found


def list_columns(metadata: Mapping[str, Any]) -> list[str]:
    """Return the names of the arrays with a row for each pattern."""
    names = [name.removesuffix("/.zattrs") for name in metadata if "/.zattrs" in name]
    dims = {name: metadata[f"{name}/.zattrs"].get("_ARRAY_DIMENSIONS", []) for name in names}
    return [name for name in names if dims[name][:1] == ["pattern"]]


def _check_arrays(path: Path, metadata: Mapping[str, Any]) -> None:
    """Refuse an array that is not there, could run something or needs too much memory."""
    for name in (name for name in metadata if name.endswith("/.zarray")):
        array = metadata[name]
        chunks, shape, dtype = array["chunks"], array["shape"], np.dtype(array["dtype"])
        if not (path / name).is_file():  # a changed name; the file of the original name must stay
            raise FormatError(f"{name} is missing")
        if len(chunks) != len(shape) or not all(type(n) is int for n in (*chunks, *shape)):
            raise FormatError(f"{name} has a shape or chunks that cannot be")
        if chunks and min(chunks) < 1:
            raise FormatError(f"{name} has empty chunks")
        if dtype.kind not in "fiubO" or math.prod(chunks) > LARGEST_CHUNK:
            raise FormatError(f"{name} is of type {dtype} in chunks of {chunks}")
        dims = metadata[name.replace(".zarray", ".zattrs")]["_ARRAY_DIMENSIONS"]
        if len(dims) != len(shape) or "fill_value" not in array:
            raise FormatError(f"{name} lacks dimensions or a fill value")
        codecs = [*(array["filters"] or []), array["compressor"]]
        unknown = {codec["id"] for codec in codecs if codec} - CODECS
        if unknown:
            raise FormatError(f"{name} needs the codec {unknown.pop()!r}")
    columns = list_columns(metadata)
    for name, kinds in NEEDED.items():
        dtype = np.dtype(metadata[f"{name}/.zarray"]["dtype"])
        if name not in columns or dtype.kind not in kinds:
            raise FormatError(f"the column {name!r} is of another kind")
    rows = {metadata[f"{name}/.zarray"]["shape"][0] for name in columns}
    if len(rows) != 1:
        raise FormatError(f"its columns have {sorted(rows)} rows")
    chunk = metadata["file/.zarray"]["chunks"][0]
    chunks = sum(
        1 for _ in (path / "file").iterdir()
    )  # each row has a name, so that all chunks exist
    if max(rows) > chunk * chunks:
        raise FormatError(f"it declares {max(rows)} rows, which are not there")
    if not isinstance(metadata[".zattrs"].get("xrdae_skipped", ""), str):
        raise FormatError("its attribute xrdae_skipped is no text")
