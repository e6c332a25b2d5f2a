"""Fractal heaps of an HDF5 file, which hold links and attributes where these are many or large."""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator

from xrdae.errors import FormatError
from xrdae.storage.hdf5_file import File, pieces

HUGE, LINK_NAMES, ATTRIBUTE_NAMES = 1, 5, 8  # kinds of B-trees


class Heap:
    """A fractal heap (section of that name), which holds many links or attributes."""

    def __init__(self, file: File, address: int) -> None:
        self._file = file
        header = file.block(address, b"FRHP", 146)
        _, filters, _, self._most = struct.unpack_from("<HHBI", header, 5)
        if filters:
            raise FormatError("a heap is compressed")
        self._huge_names = int.from_bytes(header[22:30], "little")
        self._width, self._start, self._largest, bits = struct.unpack_from("<HQQH", header, 110)
        self._root: int
        self._rows: int
        self._root, self._rows = struct.unpack_from("<QH", header, 132)
        self._n_offset = -(-bits // 8)
        self._n_length = min(
            (self._largest.bit_length() + 6) // 8, (self._most.bit_length() + 7) // 8
        )
        if not self._width or not self._start or self._rows > 64:
            raise FormatError("a heap has no blocks, or too many")

    def objects(self, names: int, kind: int, part: slice) -> Iterator[bytes]:
        """Return what the records of a B-tree name, in `part` of each."""
        for record in _records(self._file, names, kind):
            name = record[part]
            where = name[0] >> 4
            if where == 0:
                offset, length, _ = pieces(name[1:], self._n_offset, self._n_length)
                count = int.from_bytes(length, "little")
                self._file.spend(count)
                yield self._file.take(self._find(int.from_bytes(offset, "little")), count)
            elif where == 1:  # too large for its blocks
                at, count = self._huge[int.from_bytes(name[1:], "little")]
                self._file.spend(count)
                yield self._file.take(at, count)
            else:
                raise FormatError("a heap holds an object of an unknown kind")

    @functools.cached_property
    def _huge(self) -> dict[int, tuple[int, int]]:
        records = _records(self._file, self._huge_names, HUGE)
        found = (struct.unpack_from("<QQQ", record) for record in records)
        return {number: (at, count) for at, count, number in found}

    def _find(self, offset: int) -> int:
        """Return where in the file an offset in the heap is (section "Doubling table")."""
        address, rows = self._root, self._rows
        direct = self._largest.bit_length() - self._start.bit_length() + 2
        while rows:
            size, begin = self._start, 0
            for row in range(rows):
                size = self._start << max(0, row - 1)
                if offset < begin + self._width * size:
                    break
                begin += self._width * size
            else:
                raise FormatError("a heap is smaller than it says")
            entry = row * self._width + (offset - begin) // size
            self._file.spend(8)
            at = address + 13 + self._n_offset + 8 * entry
            address = int.from_bytes(self._file.take(at, 8), "little")
            offset = (offset - begin) % size
            if row < direct:
                break
            rows = size.bit_length() - (self._start * self._width).bit_length() + 1
        return address + offset


def _records(file: File, address: int, kind: int) -> Iterator[bytes]:
    """Return the records of a B-tree (section "Version 2 B-trees")."""
    header = file.block(address, b"BTHD", 38)
    found, size, length, depth = struct.unpack_from("<BIHH", header, 5)
    root, count = struct.unpack_from("<QH", header, 16)
    if found != kind or not length:
        raise FormatError("a B-tree is of another kind")
    # Widths of the counts beside a pointer to a node at each depth; most records there and below.
    most = below = (size - 10) // length
    width, widths = (most.bit_length() + 7) // 8, [0]
    for level in range(min(depth, 8)):
        further = (below.bit_length() + 7) // 8 if level else 0
        widths.append(width + further)
        below += below * ((size - 10 - 8 - width - further) // (length + 8 + width + further))
    nodes = [(root, count, depth)] if count else []
    while nodes:
        at, count, level = nodes.pop()
        step = 8 + widths[level]
        taken = 10 + count * length + ((count + 1) * step if level else 0)
        file.spend(taken)
        node = file.block(at, b"BTIN" if level else b"BTLF", taken)
        yield from (node[6 + i * length : 6 + (i + 1) * length] for i in range(count))
        pointers = range(6 + count * length, taken - 4, step) if level else ()
        for i in pointers:
            at, few = struct.unpack(
                "<QI", node[i : i + 8] + node[i + 8 : i + 8 + width].ljust(4, b"\0")
            )
            nodes.append((at, few, level - 1))
