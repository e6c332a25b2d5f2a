"""Check the metadata of a Zarr store before the zarr library opens it.

A codec may be Python's pickle, which executes code. An array of a few bytes may declare more chunks
than memory can list. And blosc trusts the size that a chunk declares.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from xrdae.errors import FormatError
from xrdae.storage.bounded_json import parse_json

UNSAFE = ("pickle", "numcodecs.pickle")
MOST_BYTES = 2**26  # of a file of metadata
MOST_CHUNKS = 10**7  # of an array
MOST_FILES = 10**5  # chunks of an array of which the first bytes are looked at: some seconds
LARGEST_CHUNK = 2**30  # values
NAMES = ("zarr.json", ".zmetadata", ".zarray", ".zattrs", ".zgroup")


def is_store(path: Path) -> bool:
    """Tell whether a folder is a Zarr store."""
    return any((path / name).exists() for name in (".zgroup", ".zmetadata", "zarr.json"))


def check_store(path: Path) -> None:
    """Refuse a store that could execute code, or that declares more than memory can hold.

    Raises
    ------
    FormatError
        Without the path.
    OSError
        If its metadata may not be read.
    """
    for file in (p for name in NAMES for p in (path / name, *path.glob(f"*/{name}"))):
        if file.is_file():
            content, where = read_metadata(file), str(file.relative_to(path))
            check_content(content, where)
            if file.name in (".zarray", "zarr.json") and _uses_codec(content, "blosc"):
                _check_chunks(file.parent)


def check_blosc(start: bytes, size: int) -> None:
    """Refuse a chunk whose size differs from its header: blosc would read beyond its end.

    Raises
    ------
    FormatError
        Without the path.
    """
    if len(start) < 16 or int.from_bytes(start[12:16], "little") != size:
        raise FormatError(f"a chunk of {size} bytes is cut off or damaged")


def _check_chunks(folder: Path) -> None:
    for i, file in enumerate(folder.rglob("*")):
        if i == MOST_FILES:
            return
        if file.is_file() and file.name not in NAMES:
            with file.open("rb") as stream:
                start = stream.read(16)
            try:
                check_blosc(start, file.stat().st_size)
            except FormatError as error:
                raise FormatError(f"{folder.name}/{file.name}: {error}") from error


def _uses_codec(content: Any, codec: str) -> bool:
    """Tell whether an array is packed by a codec, and not in shards."""
    named = {str(found.get(key)) for found in _iterate_mappings(content) for key in ("id", "name")}
    return codec in named and "sharding_indexed" not in named


def check_content(content: Any, where: str) -> None:
    """Refuse metadata for the reasons that `check_store` gives."""
    for found in _iterate_mappings(content):
        _check_codec(found, where)
        _check_size(found, where)


def read_metadata(file: Path) -> Any:
    """Return the content of a file of metadata.

    Raises
    ------
    FormatError
        If it is no JSON, or too large.
    """
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise FormatError(f"{file.name} has {size} bytes, at most {MOST_BYTES} are read")
    try:
        return parse_json(file.read_text(encoding="utf-8"))
    except ValueError as error:  # UnicodeDecodeError too
        raise FormatError(f"{file.name} is damaged: {error}") from error


def _iterate_mappings(content: Any) -> Iterator[dict[str, Any]]:
    """Return all mappings in JSON, at any depth."""
    waiting = [content]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            yield found
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _check_codec(content: dict[str, Any], where: str) -> None:
    for key in ("id", "name"):
        if str(content.get(key)) in UNSAFE:
            raise FormatError(f"{where} names the codec {content[key]!r}, which could run anything")


def _check_size(content: dict[str, Any], where: str) -> None:
    """Compare shape and chunks, where a mapping describes an array."""
    try:
        grid = content.get("chunks", content.get("chunk_grid"))
        if "shape" not in content or grid is None:
            return
        grid = grid["configuration"]["chunk_shape"] if isinstance(grid, dict) else grid
        shape = [int(n) for n in content["shape"]]
        chunks = math.prod(-(-n // int(size)) for n, size in zip(shape, grid, strict=True))
        values = math.prod(grid)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise FormatError(f"{where} has chunks that cannot be") from error
    possible = min([*shape, *grid], default=0) >= 0
    if not possible or chunks > MOST_CHUNKS or values > LARGEST_CHUNK:
        raise FormatError(f"{where} declares {shape!s:.50} in chunks of {grid!s:.50}")
