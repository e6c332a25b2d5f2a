"""A data file's content, read once, of a size that a pattern can have."""

from __future__ import annotations

import dataclasses
import functools
import io
import os
import re
import stat
import zipfile
import zlib
from pathlib import Path

from xrdae.errors import FormatError
from xrdae.readers.read_options import NOTHING_STATED, ReadOptions
from xrdae.storage import netcdf_structure
from xrdae.storage.netcdf_structure import HDF5

MOST_BYTES = 512 * 2**20  # a text of 10 million points
MOST_TIMES = 100  # largest ratio of unpacked to packed size; files of instruments reach 20
ALWAYS_UNPACKED = 16 * 2**20  # bytes; as XML they take 25 times that
ALWAYS_LOADED = 256 * 2**20  # bytes of numbers, which a scan that has just begun may announce
_JAPANESE = re.compile(r"[\u3005\u3041-\u30fc\u4e00-\u9fff\uff10-\uff5a]{2}")  # of full width
_PRIVATE = re.compile(r"[\ue000-\uf8ff]")
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


@dataclasses.dataclass(eq=False)
class DataFile:
    """A file to read.

    Attributes
    ----------
    path
        Where it is.
    content
        All of it; of an HDF5 file its first bytes.
    options
        What the user states about the file.
    unpacked
        Bytes of an archive's members that were unpacked so far.
    """

    path: Path
    content: bytes
    options: ReadOptions = NOTHING_STATED
    unpacked: int = dataclasses.field(default=0, init=False)

    @classmethod
    def open(cls, path: str | os.PathLike[str], options: ReadOptions = NOTHING_STATED) -> DataFile:
        """Read a file.

        Raises
        ------
        FormatError
            If it is empty, no regular file (a pipe would hang), or larger than 512 MB.
        OSError
            If it is not there or may not be read.
        """
        path = Path(path)
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FormatError("it is no regular file")
        if status.st_size == 0:
            raise FormatError("it is empty")
        with path.open("rb") as stream:
            start = stream.read(len(HDF5))
            if start == HDF5:
                netcdf_structure.check(path)  # by whichever library it is read then
                return cls(path, start, options)
            if status.st_size > MOST_BYTES:
                raise FormatError(
                    f"it has {status.st_size / 2**20:.0f} MB; patterns in this format have at most "
                    f"{MOST_BYTES / 2**20:.0f}"
                )
            return cls(path, start + stream.read(status.st_size), options)

    @property
    def suffix(self) -> str:
        """The ending of its name in lower case, with the dot."""
        return self.path.suffix.lower()

    @functools.cached_property
    def text(self) -> str | None:
        """Content as text; None if it is binary."""
        content = self.content
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            return content.decode("utf-16", errors="replace")
        if b"\0" in content[:65536]:
            return None
        return decode_text(content)

    @functools.cached_property
    def _archive(self) -> zipfile.ZipFile | None:
        if not self.content.startswith(b"PK\x03\x04"):
            return None
        try:
            return zipfile.ZipFile(io.BytesIO(self.content))
        except _DAMAGED as error:
            raise FormatError(f"it is a damaged zip archive: {error}") from error

    @functools.cached_property
    def members(self) -> dict[str, zipfile.ZipInfo]:
        """Its members by name, where it is a zip archive."""
        infos = self._archive.infolist() if self._archive else []
        return {info.filename: info for info in infos}

    def member(self, name: str) -> bytes:
        """Unpack a member, whatever size it claims to have.

        Raises
        ------
        FormatError
            If it is damaged, or all members together unpack to far more than the file's size.
        """
        if self._archive is None:
            raise FormatError("it is no zip archive")
        most = min(MOST_BYTES, max(ALWAYS_UNPACKED, MOST_TIMES * len(self.content)))
        try:
            with self._archive.open(self.members[name]) as stream:
                unpacked = stream.read(most - self.unpacked + 1)
        except _DAMAGED as error:
            raise FormatError(f"its member {name!r} cannot be unpacked: {error}") from error
        self.unpacked += len(unpacked)
        if self.unpacked > most:
            raise FormatError(
                f"with its member {name!r} it unpacks to more than {most >> 20} MB, from "
                f"{len(self.content)} bytes"
            )
        return unpacked


def decode_text(content: bytes) -> str:
    """Return bytes as text: UTF-8, or else Shift-JIS if plainly Japanese, or else latin-1.

    Instruments in Japan write names of samples in Shift-JIS. Older programs write degree signs in
    latin-1, whose letters can look like Shift-JIS one at a time: a run of two Japanese characters
    must occur, and no character that only a vendor defines.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        text = content.decode("cp932")
    except UnicodeDecodeError:
        return content.decode("latin-1")
    is_japanese = _JAPANESE.search(text) is not None and _PRIVATE.search(text) is None
    return text if is_japanese else content.decode("latin-1")


def check_loaded(loaded: int, stored: int) -> None:
    """Refuse an announced size that is far larger than the file.

    Parameters
    ----------
    loaded
        Bytes in memory.
    stored
        Size of the file [byte].

    Raises
    ------
    FormatError
        If they are.
    """
    if loaded > max(ALWAYS_LOADED, MOST_TIMES * stored):
        raise FormatError(
            f"it announces {loaded / 2**20:.0f} MB of numbers but has {stored / 2**20:.1f} MB; "
            "write it again with the measured size"
        )
