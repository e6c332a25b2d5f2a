"""Read the bytes of an HDF5 file, and the texts in its global heaps.

The HDF5 library follows links and external data into other files, and hangs on some damaged files.
pyfive accepts external data and does not verify checksums (decision record 0006). These modules
read only the parts of HDF5 in which the netCDF library writes numbers, texts and groups, and refuse
everything else. Source: HDF5 File Format Specification 3.0; its sections are named below. No
address is trusted beyond the end of the file, and no more bytes are read than the file has.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from xrdae.errors import FormatError
from xrdae.storage.hdf5_checksum import checksum

SIGNATURE = b"\x89HDF\r\n\x1a\n"
NOWHERE = 2**64 - 1  # an address


class File:
    """A netCDF4 file.

    Parameters
    ----------
    stream
        Its bytes.
    size
        How many these are.
    checked
        Compare the checksums of its structures; data have one only where
        the filter Fletcher32 wrote it, and netCDF4 files of this package are without filters.

    Raises
    ------
    FormatError
        Here and while it is read, if it is damaged or not as netCDF4 has it. Other exceptions
        than this mean the same.
    """

    def __init__(self, stream: BinaryIO, size: int, *, checked: bool) -> None:
        self._stream, self._size, self._checked = stream, size, checked
        self._left = 2 * size  # bytes that may still be read: headers, and the values in them
        self._texts: dict[int, dict[int, bytes]] = {}
        start = self.take(0, 48)  # "Superblock"
        if not start.startswith(SIGNATURE):
            raise FormatError("it does not begin as HDF5")
        version, offsets, lengths = start[8:11]
        base, _, end, root = struct.unpack_from("<4Q", start, 12)
        if version not in (2, 3) or (offsets, lengths, base) != (8, 8, 0):
            raise FormatError(f"its HDF5 is of version {version}, not as netCDF4 writes it")
        if end > size:
            raise FormatError(f"it is cut off: {size} bytes of {end}")
        self.verify(start[:44], start[44:])
        self.root = root

    def take(self, start: int, count: int) -> bytes:
        """Return bytes that the file must have."""
        if start + count > self._size:
            raise FormatError(f"{count} bytes at {start} lie behind its end")
        self._stream.seek(start)
        found = self._stream.read(count)
        if len(found) != count:
            raise FormatError(f"{count} bytes at {start} lie behind its end")
        return found

    def spend(self, count: int) -> None:
        """Count bytes that are read, so that structures that overlap or circle come to an end."""
        self._left -= count
        if self._left < 0:
            raise FormatError("its parts overlap")

    def text(self, address: int, index: int) -> bytes:
        """Return an object of a global heap (section of that name), where texts lie."""
        if address not in self._texts:
            size = int.from_bytes(self.take(address + 8, 8), "little")
            self.spend(size)
            self._texts[address] = _of_global_heap(self.take(address, size))
        return self._texts[address][index]

    def block(self, start: int, signature: bytes, count: int) -> bytes:
        """Return a structure of `count` bytes, signature and checksum among them."""
        found = self.take(start, count)
        if not found.startswith(signature):
            raise FormatError(f"there is no {signature.decode()} at {start}")
        self.verify(found[:-4], found[-4:])
        return found

    def verify(self, content: bytes, expected: bytes) -> None:
        """Compare a checksum."""
        if self._checked and checksum(content) != int.from_bytes(expected, "little"):
            raise FormatError(f"the checksum of {content[:4]!r} does not fit")


def _of_global_heap(content: bytes) -> dict[int, bytes]:
    """Return the objects of a global heap's collection by their index."""
    if not content.startswith(b"GCOL"):
        raise FormatError("there is no global heap where one should be")
    found, at = {}, 16
    while at + 16 <= len(content):
        index, size = struct.unpack_from("<H6xQ", content, at)
        if index == 0:  # free space, to the end
            break
        found[index] = content[at + 16 : at + 16 + size]
        at += 16 + -(-size // 8) * 8
    return found


def pieces(content: bytes, *lengths: int) -> list[bytes]:
    """Return pieces of these lengths, and the rest."""
    found, at = [], 0
    for length in lengths:
        found.append(content[at : at + length])
        at += length
    return [*found, content[at:]]
