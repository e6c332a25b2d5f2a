"""Follow the links of HDF5 files, name by name, to files in the folder of the first file.

The HDF5 library follows an external link to any file that its user may read, and waits for ever at
a pipe. These functions look at each link before they follow it. Links lead to HDF5 files in the
folder of the file that the user opens, or below it. Symbolic links of the file system are resolved
first. `trust_links=True` allows links to other folders.

Source of the search for a file: `H5Lcreate_external` of the HDF5 reference manual. The environment
variable HDF5_EXT_PREFIX and the working folder of the process are not searched.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from xrdae.errors import FormatError
from xrdae.storage import netcdf_structure
from xrdae.storage.hdf5_foreign import open_file
from xrdae.storage.netcdf_structure import HDF5, MOST_SEARCHED

MOST_LINKS = 16  # links that are followed for one name; the HDF5 library has the same limit
HOW_TO_TRUST = "give trust_links=True (--trust-links) if you trust this file"


class DanglingLinkError(FormatError):
    """A link leads to a file or an object that does not exist."""


@dataclasses.dataclass(frozen=True)
class LinkRules:
    """Files that the links of an HDF5 file may lead to.

    Attributes
    ----------
    master
        Real path of the file that the user opens.
    folders
        Real paths of folders. Links may lead to files in them or below them.
    trusted
        Allow links to files in any folder.
    """

    master: str
    folders: tuple[str, ...]
    trusted: bool = False

    @classmethod
    def make(cls, path: str | os.PathLike[str], *, trusted: bool = False) -> LinkRules:
        """Return the rules for a file. If its path is a symbolic link, it has two folders."""
        real = os.path.realpath(path)
        named = os.path.realpath(os.path.dirname(os.path.abspath(path)))
        return cls(real, tuple(dict.fromkeys((named, os.path.dirname(real)))), trusted)

    def list_folders(self, holder: str) -> tuple[str, ...]:
        """Return the folders in which relative links of a file start."""
        holder = os.path.realpath(holder)
        return self.folders if holder == self.master else (os.path.dirname(holder),)

    def check_target(self, target: str, where: str) -> None:
        """Refuse a file that a link must not lead to, or that is not HDF5.

        Parameters
        ----------
        target
            Real path of a file that exists.
        where
            The link and its target, for errors.

        Raises
        ------
        FormatError
            If it is.
        """
        if not (self.trusted or any(Path(target).is_relative_to(f) for f in self.folders)):
            raise FormatError(
                f"{where}, which is outside of the folder {self.folders[0]!r}; {HOW_TO_TRUST}"
            )
        try:
            if not stat.S_ISREG(os.stat(target).st_mode):  # opening a pipe would hang
                raise FormatError(f"{where}, which is not a regular file; correct the link")
            with open(target, "rb") as stream:
                if stream.read(len(HDF5)) != HDF5:
                    raise FormatError(f"{where}, which is not an HDF5 file; correct the link")
        except OSError as error:
            raise FormatError(f"{where}, which cannot be read: {error}") from error


def find_target(name: str, folders: Sequence[str]) -> str | None:
    """Return the real path of the file that a link names; None if no such file exists.

    As in the HDF5 library, a file whose absolute path does not exist is searched in the folders.
    """
    last = os.path.basename(name) if os.path.isabs(name) else name
    given = [name] if os.path.isabs(name) else []
    for path in (*given, *(os.path.join(folder, last) for folder in folders)):
        if os.path.exists(path):
            return os.path.realpath(path)
    return None


class LinkedFiles:
    """A file and the files that its links lead to, open until the end of a `with` block.

    Attributes
    ----------
    rules
        Files that links may lead to.
    dangling
        Messages of links that lead nowhere and were ignored.
    checked
        Bytes that the files of a field have, by the file and the name of the field; None while the
        field is checked.
    """

    def __init__(self, rules: LinkRules, file: Any, *, lent: bool) -> None:
        self.rules = rules
        self.dangling: list[str] = []
        self.checked: dict[tuple[str, str], int | None] = {}
        self._lent = os.path.realpath(file.filename) if lent else None
        self._files: dict[str, Any] = {os.path.realpath(file.filename): file}
        self._sizes: dict[str, int] = {rules.master: int(file.id.get_filesize())}
        self._searchable = MOST_SEARCHED  # bytes of linked files that are searched for damage

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], rules: LinkRules | None = None, *, trusted: bool = False
    ) -> LinkedFiles:
        """Open a file, whose links follow the rules of another file, or of the file itself."""
        rules = rules or LinkRules.make(path, trusted=trusted)
        return cls(rules, open_file(os.path.realpath(path)), lent=False)

    @classmethod
    def lend(cls, file: Any) -> LinkedFiles:
        """Use a file that the host of an adapter has opened and that stays open.

        The user of the host chose the links, and the host follows them to any folder.
        """
        return cls(LinkRules.make(file.filename, trusted=True), file, lent=True)

    def __enter__(self) -> LinkedFiles:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for path, file in self._files.items():
            if path != self._lent:
                file.close()

    @property
    def stored(self) -> int:
        """Bytes of all files that were opened so far."""
        return sum(self._sizes.values())

    @property
    def first(self) -> Any:
        """Root group of the first file, of h5py."""
        return next(iter(self._files.values()))["/"]

    def is_lent(self, item: Any) -> bool:
        """Tell whether a group or field of h5py is in the open file of a host."""
        return self._lent is not None and self._lent == os.path.realpath(item.file.filename)

    def describe(self, item: Any, name: str = "") -> str:
        """Return the name of a group or field, and its file if it is not the first one."""
        whole = f"{item.name.rstrip('/')}/{name}" if name else str(item.name)
        path = os.path.realpath(item.file.filename)
        return whole if path == self.rules.master else f"{whole} of {path}"

    def follow(self, group: Any, name: str, left: Iterator[int] | None = None) -> Any:
        """Return what a group of h5py holds by a name; None if it does not hold the name.

        Parameters
        ----------
        group
            Group of h5py.
        name
            A name, not a path.
        left
            An item for each link that may still be followed.

        Raises
        ------
        DanglingLinkError
            If a link leads to a file or an object that does not exist.
        FormatError
            If links lead in a circle, to a file in another folder or to no HDF5 file.
        """
        import h5py

        left = iter(range(MOST_LINKS)) if left is None else left
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.HardLink):
            return group[name]
        is_external = isinstance(link, h5py.ExternalLink)
        target = f"{link.filename}:{link.path}" if is_external else link.path
        where = f"the link {self.describe(group, name)} leads to {target}"
        if next(left, None) is None:
            raise FormatError(
                f"{where} and is one of more than {MOST_LINKS} links that lead to each other, "
                "probably in a circle; correct the link"
            )
        if is_external:
            folders = self.rules.list_folders(group.file.filename)
            path = self.find_file(link.filename, folders, where)
            if path not in self._files:
                self._files[path] = self._open_target(path, where)
            start = self._files[path]["/"]
        else:
            start = group
        item = self.resolve(start, link.path, left)
        if item is None:
            raise DanglingLinkError(f"{where}, which does not exist; correct the link")
        return item

    def resolve(self, group: Any, path: str, left: Iterator[int]) -> Any:
        """Return what a path leads to from a group of h5py; None if there is nothing."""
        import h5py

        item = group.file["/"] if path.startswith("/") else group
        for name in path.split("/"):
            if name in ("", "."):
                continue
            item = self.follow(item, name, left) if isinstance(item, h5py.Group) else None
            if item is None:
                return None
        return item

    def find_file(self, name: str, folders: Sequence[str], where: str) -> str:
        """Return the real path of the HDF5 file that a link names; see `follow` for errors."""
        path = find_target(name, folders)
        if path is None:
            raise DanglingLinkError(
                f"{where}, but there is no such file; copy it to {folders[0]!r}"
            )
        self.rules.check_target(path, where)
        return path

    @contextlib.contextmanager
    def borrow(self, path: str, where: str) -> Iterator[Any]:
        """Yield a file, which is closed again unless links lead to it too."""
        file = self._files.get(path)
        if file is not None:
            yield file
        else:
            with self._open_target(path, where, search=False) as file:
                yield file

    def _open_target(self, path: str, where: str, *, search: bool = True) -> Any:
        size = os.stat(path).st_size
        self._sizes[path] = size
        try:
            if search and size <= self._searchable:
                self._searchable -= size
                netcdf_structure.check(path)
            return open_file(path)
        except (OSError, RuntimeError, FormatError) as error:
            raise FormatError(f"{where}, which cannot be read: {error}") from error
