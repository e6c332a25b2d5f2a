"""Whether a netCDF file is whole, seen before the libraries of netCDF and HDF5 are let at it.

Of a classic file that is cut off, the netCDF library reads zeros without a word. The HDF5 library
(1.12 to 2.2 were tried) runs in a circle on a global heap with an object of no size. Neither
asks whether there is memory for an axis that a file of a few bytes declares.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

from xrdae.errors import FormatError
from xrdae.storage import checksum

CLASSIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
HDF5 = b"\x89HDF\r\n\x1a\n"
MOST_SEARCHED = 2**29  # bytes of an HDF5 file that are searched for heaps: one to two seconds
SMALLEST_HEAP = 4096  # bytes
BLOCK = 2**24
_SIZES = dict(zip(range(1, 12), (1, 1, 2, 4, 4, 8, 1, 2, 4, 8, 8), strict=True))  # by type


def check(path: str | os.PathLike[str]) -> None:
    """Refuse a classic netCDF file that is cut off, and an HDF5 file that is damaged.

    That it is damaged shows in its seal; where it has none, in its heaps.

    Raises
    ------
    FormatError
        Without the path.
    """
    with open(path, "rb") as stream:
        start, size = stream.read(len(HDF5)), os.fstat(stream.fileno()).st_size
        if start == HDF5:
            whole = checksum.check(stream, size)
            if whole is False:
                raise FormatError("it was damaged after it was written")
            if whole is None and size <= MOST_SEARCHED:
                _check_heaps(stream, size)
        elif start.startswith(CLASSIC):
            try:
                needed = _Header(stream, size, start).end()
            except (struct.error, KeyError, IndexError) as error:
                raise FormatError("its netCDF header is cut off or damaged") from error
            if needed > size:
                raise FormatError(f"it is cut off: {size} of {needed} bytes are there")


def _check_heaps(stream: BinaryIO, size: int) -> None:
    """Walk the global heaps (H5HG of the HDF5 library), wherever one seems to be."""
    for at in _places(stream, b"GCOL\x01\0\0\0"):
        stream.seek(at + 8)
        length = int.from_bytes(stream.read(8), "little")
        if SMALLEST_HEAP <= length <= size - at:
            stream.seek(at)
            _check_heap(stream.read(min(length, BLOCK)), length, at)


def _check_heap(heap: bytes, size: int, place: int) -> None:
    """Refuse a heap of a declared size with an object that is empty or reaches beyond its end."""
    at = 16
    while at + 16 <= len(heap):
        index, length = struct.unpack_from("<H6xQ", heap, at)
        at += length if index == 0 else 16 + -(-length // 8) * 8
        if (index == 0 and length < 16) or at > size:
            raise FormatError(f"the HDF5 heap at byte {place} is damaged")


def _places(stream: BinaryIO, what: bytes) -> Iterator[int]:
    start, before = 0, b""
    while True:
        stream.seek(start)
        block = stream.read(BLOCK)
        if not block:
            return
        content = before + block
        at = content.find(what)
        while at >= 0:
            yield start - len(before) + at
            at = content.find(what, at + 1)
        start, before = start + len(block), content[1 - len(what) :]


class _Header:
    """The header of a classic file (https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html)."""

    def __init__(self, stream: BinaryIO, size: int, start: bytes) -> None:
        self._stream, self._size = stream, size
        stream.seek(4)
        self._width = 8 if start[3] == 5 else 4  # of a count
        self._offset = 4 if start[3] == 1 else 8

    def end(self) -> int:
        """Return where the data of the last variable end."""
        records = self._number(self._width)
        records = 0 if records == 2 ** (8 * self._width) - 1 else records  # still written to
        sizes = [self._dimension() for _ in range(self._list())]
        self._attributes()
        variables = [self._variable(sizes) for _ in range(self._list())]
        fixed = [begin + count for begin, count, grows in variables if not grows]
        growing = [(begin, count) for begin, count, grows in variables if grows]
        padded = [-(-count // 4) * 4 for _, count in growing]
        step = growing[0][1] if len(growing) == 1 else sum(padded)
        last = [begin + (records - 1) * step + count for begin, count in growing if records]
        return max([self._stream.tell(), *fixed, *last])

    def _take(self, count: int) -> bytes:
        if count > self._size:
            raise struct.error("behind the end")
        return self._stream.read(count)

    def _number(self, width: int) -> int:
        return int(struct.unpack(">I" if width == 4 else ">Q", self._take(width))[0])

    def _list(self) -> int:
        """Return how many items follow, each of which takes some bytes."""
        self._number(4)
        count = self._number(self._width)
        if count > self._size:
            raise struct.error("behind the end")
        return count

    def _skip(self, count: int) -> None:
        self._take(-(-count // 4) * 4)

    def _dimension(self) -> int:
        self._skip(self._number(self._width))
        return self._number(self._width)

    def _attributes(self) -> None:
        for _ in range(self._list()):
            self._skip(self._number(self._width))
            kind = self._number(4)
            self._skip(_SIZES[kind] * self._number(self._width))

    def _variable(self, sizes: list[int]) -> tuple[int, int, bool]:
        """Return where a variable begins, how many bytes it or a record has, whether it grows."""
        self._skip(self._number(self._width))
        n_dim = self._number(self._width)
        if n_dim > self._size:
            raise struct.error("behind the end")
        shape = [sizes[self._number(self._width)] for _ in range(n_dim)]
        self._attributes()
        kind = self._number(4)
        self._number(self._width)
        grows = bool(shape) and shape[0] == 0
        count = math.prod(shape[1:] if grows else shape) * _SIZES[kind]
        return self._number(self._offset), count, grows
