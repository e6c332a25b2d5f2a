"""Small HDF5 files of any structure: bytes decide which groups, fields and attributes they hold."""

from __future__ import annotations

import contextlib
import io
import math
from pathlib import Path
from typing import Any

import h5py
import numpy as np

NAMES = (
    "entry", "data", "I", "q", "two_theta", "I_errors", "errors", "norm", "wavelength", "energy",
    "title", "definition", "program", "normalization", "pixels", "k_alpha_one", "frame",
)  # fmt: skip
TEXTS = (
    "NXdata", "NXentry", "NXprocess", "I", "q", "two_theta", ".", "degree", "1/nm", "q_A^-1", "keV",
    "entry", "data", "xrdae", "1", "", "[.,q]", "I:q", "K", "/", "..", "/entry/data",
)  # fmt: skip
ATTRIBUTES = (
    "NX_class", "signal", "axes", "default", "units", "unit", "uncertainties", "I_indices",
    "frame_indices", "q_indices", "long_name", "_NCProperties",
)  # fmt: skip
DTYPES = ("f8", "f4", "i4", "u2", "i1", "?", ">f8", "f2", "c8", "S3")
SHAPES = (
    (),
    (1,),
    (4,),
    (3, 4),
    (4, 3),
    (5,),
    (0,),
    (2, 3, 4),
    (3,),
    (1, 4),
    (10**12,),
    (10**9, 4),
)


class Bits:
    """Choices that bytes make, all zero behind their end."""

    def __init__(self, content: bytes) -> None:
        self._stream = io.BytesIO(content)

    def number(self, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        n = (max(high - low, 1).bit_length() + 7) // 8
        return low + int.from_bytes(self._stream.read(n), "little") % (high - low + 1)

    def one_of(self, choices: tuple[Any, ...]) -> Any:
        """Return one of them."""
        return choices[self.number(0, len(choices) - 1)]

    def text(self) -> str | bytes:
        """Return a text that means something, or any bytes, as text or as they are."""
        kind = self.number(0, 3)
        if kind < 2:
            return self.one_of(TEXTS)
        content = self._stream.read(self.number(0, 20))
        return content.decode("latin-1") if kind == 2 else content

    def numbers(self, size: int) -> Any:
        """Return so many numbers, in steps of one or any."""
        if self.number(0, 1):
            return np.arange(size, dtype=float)
        return np.array([self.number(-2000, 2000) / 4 for _ in range(size)])


def write(path: Path, content: bytes) -> None:
    """Write the file that bytes decide on."""
    bits = Bits(content)
    path.unlink(missing_ok=True)
    with h5py.File(path, "w") as file:
        groups = [file]
        for _ in range(bits.number(0, 14)):
            # What HDF5 refuses to write is left out.
            with contextlib.suppress(
                ValueError, TypeError, OSError, RuntimeError, KeyError, OverflowError
            ):
                _step(groups, bits)


def _step(groups: list[Any], bits: Bits) -> None:
    group = bits.one_of(tuple(groups))
    name = bits.one_of(NAMES)
    kind = bits.number(0, 6)
    if kind == 0:
        groups.append(group.create_group(name))
    elif kind == 1:
        to = bits.one_of(TEXTS)
        group[name] = bits.one_of((h5py.SoftLink(to), h5py.ExternalLink("none", to), groups[0]))
    elif kind == 2:
        group[name] = bits.text()
    elif kind == 3:
        bits.one_of(tuple(groups)).attrs[bits.one_of(ATTRIBUTES)] = _value(bits)
    else:
        shape, dtype = bits.one_of(SHAPES), bits.one_of(DTYPES)
        size = math.prod(shape)
        data = None if size > 100 else bits.numbers(size).astype(dtype).reshape(shape)
        field = group.create_dataset(name, shape, dtype, data, chunks=True if size > 100 else None)
        field.attrs["units"] = bits.one_of(TEXTS)
        if bits.number(0, 1):
            field.attrs[bits.one_of(ATTRIBUTES)] = _value(bits)


def _value(bits: Bits) -> Any:
    kind = bits.number(0, 4)
    if kind < 2:
        return bits.text()
    if kind == 2:
        return [bits.one_of(TEXTS) for _ in range(bits.number(0, 4))]
    return bits.number(-2, 2**40) if kind == 3 else np.arange(bits.number(0, 5))
