"""The checksum of HDF5's structures: Jenkins' lookup3 (https://burtleburtle.net/bob/c/lookup3.c)."""

from __future__ import annotations

import struct

_MASK = 0xFFFFFFFF


def checksum(content: bytes) -> int:
    """Return `hashlittle(content, 0)`."""
    a = b = c = (0xDEADBEEF + len(content)) & _MASK
    if not content:
        return c
    whole = (len(content) - 1) // 12  # the last words, of which there is always one, end it
    words = struct.iter_unpack("<III", content[: 12 * whole])
    for x, y, z in words:
        a, b, c = _mix((a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK)
    x, y, z = struct.unpack("<III", content[12 * whole :].ljust(12, b"\0"))
    return _end((a + x) & _MASK, (b + y) & _MASK, (c + z) & _MASK)


def _rotated(x: int, bits: int) -> int:
    return (x << bits | x >> (32 - bits)) & _MASK


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    a = (a - c & _MASK) ^ _rotated(c, 4)
    c = c + b & _MASK
    b = (b - a & _MASK) ^ _rotated(a, 6)
    a = a + c & _MASK
    c = (c - b & _MASK) ^ _rotated(b, 8)
    b = b + a & _MASK
    a = (a - c & _MASK) ^ _rotated(c, 16)
    c = c + b & _MASK
    b = (b - a & _MASK) ^ _rotated(a, 19)
    a = a + c & _MASK
    c = (c - b & _MASK) ^ _rotated(b, 4)
    b = b + a & _MASK
    return a, b, c


def _end(a: int, b: int, c: int) -> int:
    c = (c ^ b) - _rotated(b, 14) & _MASK
    a = (a ^ c) - _rotated(c, 11) & _MASK
    b = (b ^ a) - _rotated(a, 25) & _MASK
    c = (c ^ b) - _rotated(b, 16) & _MASK
    a = (a ^ c) - _rotated(c, 4) & _MASK
    b = (b ^ a) - _rotated(a, 14) & _MASK
    return (c ^ b) - _rotated(b, 24) & _MASK
