"""The last line of files that this package writes: the SHA-256 of all bytes before it.

HDF5 ignores bytes behind its end, so every program still opens the file. A program that writes to
the file cuts the line off. HDF5 has its own checksum of data, the Fletcher32 filter, but only for
chunked data. The SHA-256 covers the whole file: metadata and contiguous data too. The model reader
refuses filters, so model files depend on it: a flipped bit of a weight would load unnoticed.
"""

from __future__ import annotations

import hashlib
import os
from typing import BinaryIO

_TEXT = b"\nxrdae: SHA-256 of all before this line "
SIZE = len(_TEXT) + 64 + 1  # of it, in bytes
_BLOCK = 2**20


def close(path: str | os.PathLike[str]) -> None:
    """Write the seal behind a file that is complete."""
    with open(path, "r+b") as stream:
        found = _digest(stream, os.fstat(stream.fileno()).st_size)
        stream.write(_line(found))


def check(stream: BinaryIO, size: int) -> bool | None:
    """Tell whether the content of a file of `size` bytes matches its checksum.

    None: it has no seal, as models before format 3.
    """
    if size < SIZE:
        return None
    stream.seek(size - SIZE)
    last = stream.read(SIZE)
    if not last.startswith(_TEXT):
        return None
    return last == _line(_digest(stream, size - SIZE))


def _line(digest: str) -> bytes:
    return _TEXT + digest.encode() + b"\n"


def _digest(stream: BinaryIO, size: int) -> str:
    """Return the SHA-256 of the first `size` bytes; the stream is behind them then."""
    stream.seek(0)
    found = hashlib.sha256()
    while size > 0 and (block := stream.read(min(size, _BLOCK))):
        found.update(block)
        size -= len(block)
    return found.hexdigest()
