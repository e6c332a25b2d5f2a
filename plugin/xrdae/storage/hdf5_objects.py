"""Groups and arrays of an HDF5 file."""

from __future__ import annotations

import dataclasses
import functools
import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError
from xrdae.storage.hdf5_file import NOWHERE, File, pieces
from xrdae.storage.hdf5_heap import ATTRIBUTE_NAMES, LINK_NAMES, Heap

_DATASPACE, _LINK_INFO, _DATATYPE, _EXTERNAL, _LINK, _LAYOUT = 1, 2, 3, 7, 6, 8
HARD_LINK = 0  # kind of a link
_VIRTUAL = 3  # class of a layout
_FILTERS, _ATTRIBUTE, _CONTINUATION, _ATTRIBUTE_INFO = 11, 12, 16, 21
# Attributes by which the netCDF library remembers dimensions.
_OF_NETCDF = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_NCProperties"}
_OF_NETCDF |= {"_Netcdf4Dimid", "_Netcdf4Coordinates", "_nc3_strict"}
# Where sign, exponent and mantissa are in floats of so many bytes.
_FLOATS = {
    4: struct.pack("<HHBBBBI", 0, 32, 23, 8, 0, 23, 127),
    8: struct.pack("<HHBBBBI", 0, 64, 52, 11, 0, 52, 1023),
}


class Object:
    """A group or an array: an object header (section "Version 2 Object Header")."""

    def __init__(self, file: File, address: int) -> None:
        self._file = file
        self._messages: list[tuple[int, bytes]] = []
        start = file.take(address, 6)
        flags = start[5]
        skip = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        first = int.from_bytes(file.take(address + skip, width), "little")
        whole = file.block(address, b"OHDR", skip + width + first + 4)
        chunks = [whole[skip + width : -4]]
        for chunk in chunks:  # grows as chunks name further ones
            file.spend(len(chunk))
            for kind, content in _messages(chunk, 6 if flags & 4 else 4):
                if kind == _CONTINUATION:
                    at, count = struct.unpack("<QQ", content)
                    file.spend(8)
                    chunks.append(file.block(at, b"OCHK", count)[4:-4])
                else:
                    self._messages.append((kind, content))

    def _all(self, kind: int) -> Iterator[bytes]:
        return (content for found, content in self._messages if found == kind)

    def _one(self, kind: int) -> bytes:
        found = next(self._all(kind), None)
        if found is None:
            raise FormatError(f"an object has no message {kind}")
        return found

    @functools.cached_property
    def attrs(self) -> dict[str, Any]:
        """Attributes that are numbers or texts, by name."""
        messages = list(self._all(_ATTRIBUTE))
        for info in self._all(_ATTRIBUTE_INFO):
            heap, names = struct.unpack_from("<QQ", info, 4 if info[1] & 1 else 2)
            if heap != NOWHERE:
                messages += Heap(self._file, heap).objects(names, ATTRIBUTE_NAMES, slice(8))
        found = map(self._attribute, messages)
        return {n: value for n, value in found if value is not None and n not in _OF_NETCDF}

    @property
    def is_foreign(self) -> bool:
        """Whether its numbers lie in other files, or in other arrays (a virtual dataset)."""
        layouts = (layout for layout in self._all(_LAYOUT) if layout[0] >= 4)
        return any(True for _ in self._all(_EXTERNAL)) or any(
            layout[1] == _VIRTUAL for layout in layouts
        )

    def _attribute(self, message: bytes) -> tuple[str, Any]:
        """Read an attribute message; None where the value is of another type."""
        version, _, n_name, n_type, n_space = struct.unpack_from("<BBHHH", message)
        if version != 3:
            raise FormatError(f"an attribute is of version {version}")
        name, kind, space, content = pieces(message[9:], n_name, n_type, n_space)
        found = _Type.of(kind)
        values: Any = None
        shape = _shape(space)
        count = math.prod(shape)
        self._file.spend(count * found.size)
        if found.dtype is not None:
            values = found.array(content[: count * found.size], shape)
            values = values.ravel()[0] if count == 1 else values
        elif found.is_text and count <= 1:
            values = found.text(content, self._file) if count else ""
        return name.rstrip(b"\0").decode(), values


class Group(Object):
    """A group; what is in it is read when it is asked for."""

    @functools.cached_property
    def _links(self) -> dict[str, bytes]:
        messages = list(self._all(_LINK))
        for info in self._all(_LINK_INFO):
            heap, names = struct.unpack_from("<QQ", info, 10 if info[1] & 1 else 2)
            if heap != NOWHERE:
                messages += Heap(self._file, heap).objects(names, LINK_NAMES, slice(4, 11))
        return dict(map(_link, messages))

    @property
    def links(self) -> dict[str, tuple[int, bytes]]:
        """Kind and target of each link; the target of a hard link is an address."""
        return {name: (link[0], link[1:]) for name, link in self._links.items()}

    def __iter__(self) -> Iterator[str]:
        return iter(self._links)

    def _address(self, name: str) -> int:
        if name not in self._links:
            raise FormatError(f"there is no {name!r}")
        found = self._links[name]
        if len(found) != 9 or found[0] != HARD_LINK:
            raise FormatError(f"{name!r} is a link to somewhere else")
        return int.from_bytes(found[1:], "little")

    def group(self, name: str) -> Group:
        """Return a group in it."""
        return Group(self._file, self._address(name))

    def array(self, name: str) -> Array:
        """Return an array in it."""
        return Array(self._file, self._address(name))


class Array(Object):
    """An array of numbers in one piece."""

    @functools.cached_property
    def values(self) -> npt.NDArray[Any]:
        """Its values, in the machine's byte order."""
        if any(True for kind in (_FILTERS, _EXTERNAL) for _ in self._all(kind)):
            raise FormatError("an array is compressed or lies in another file")
        kind, shape = _Type.of(self._one(_DATATYPE)), _shape(self._one(_DATASPACE))
        if kind.dtype is None:
            raise FormatError("an array is not of numbers")
        layout, count = self._one(_LAYOUT), math.prod(shape) * kind.size
        if layout[0] not in (3, 4) or layout[1] not in (0, 1):
            raise FormatError("an array is not in one piece")
        if layout[1] == 0:
            return kind.array(layout[4 : 4 + count], shape)
        start, size = struct.unpack_from("<QQ", layout, 2)
        if size != count and start != NOWHERE:
            raise FormatError(f"an array has {size} bytes, not {count}")
        if start == NOWHERE and count:
            raise FormatError("an array has no values")
        self._file.spend(count)
        return kind.array(self._file.take(start, count) if count else b"", shape)


@dataclasses.dataclass(frozen=True)
class _Type:
    """A datatype message: numbers, texts of one length, or texts in the global heap."""

    dtype: np.dtype[Any] | None
    size: int
    is_text: bool = False
    in_heap: bool = False

    @classmethod
    def of(cls, message: bytes) -> _Type:
        kind, bits, size = message[0] & 15, message[1], int.from_bytes(message[4:8], "little")
        order = "<>"[bits & 1]
        if kind == 0 and size in (1, 2, 4, 8) and message[8:12] == struct.pack("<HH", 0, 8 * size):
            return cls(np.dtype(f"{order}{'i' if bits & 8 else 'u'}{size}"), size)
        if kind == 1 and message[8:20] == _FLOATS.get(size) and not bits & 0x40:
            return cls(np.dtype(f"{order}f{size}"), size)
        is_text = kind == 3 or (kind == 9 and bits & 15 == 1 and size == 16)
        return cls(None, size, is_text=is_text, in_heap=kind == 9)

    def array(self, content: bytes, shape: tuple[int, ...]) -> npt.NDArray[Any]:
        values = np.frombuffer(content, self.dtype).reshape(shape)
        return values.astype(values.dtype.newbyteorder("="))

    def text(self, content: bytes, file: File) -> str:
        found = content[: self.size]
        if self.in_heap:
            length, at, index = struct.unpack_from("<IQI", content)
            found = file.text(at, index)[:length] if length else b""
        return found.split(b"\0")[0].decode()


def _messages(chunk: bytes, n_header: int) -> Iterator[tuple[int, bytes]]:
    """Return kind and content of the messages in a chunk of an object header."""
    at = 0
    while at + n_header <= len(chunk):
        kind, size, flags = struct.unpack_from("<BHB", chunk, at)
        if flags & 2 and kind:
            raise FormatError("an object shares a message with others")
        at += n_header
        yield kind, chunk[at : at + size]
        at += size


def _link(message: bytes) -> tuple[str, bytes]:
    """Return name and target of a link message; the target begins with its type."""
    flags = message[1]
    at = 2 + (1 if flags & 8 else 0) + (8 if flags & 4 else 0) + (1 if flags & 16 else 0)
    width = 1 << (flags & 3)
    _, length, rest = pieces(message, at, width)
    name, target = pieces(rest, int.from_bytes(length, "little"))
    return name.decode(), (message[2:3] if flags & 8 else b"\0") + target


def _shape(message: bytes) -> tuple[int, ...]:
    version, rank, _, kind = message[:4]
    if version not in (1, 2):
        raise FormatError(f"a shape is of version {version}")
    if version == 2 and kind == 2:  # no value at all: an empty text
        return (0,)
    return struct.unpack_from(f"<{rank}Q", message, 8 if version == 1 else 4)
