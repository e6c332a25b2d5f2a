"""Groups and fields of HDF5 files whose links are checked before they are followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from xrdae.errors import FormatError
from xrdae.readers.hdf5_links import LinkedFiles
from xrdae.readers.hdf5_virtual import check_storage


class LinkedField:
    """Field of an HDF5 file.

    Attributes
    ----------
    native
        The field of h5py. Attributes other than its values are read through it.
    files
        Files that are open.
    """

    def __init__(self, native: Any, files: LinkedFiles) -> None:
        self.native, self.files = native, files

    def __getattr__(self, name: str) -> Any:
        return getattr(self.native, name)

    def check_storage(self) -> int:
        """Return the bytes of the files with the numbers; see `hdf5_virtual.check_storage`."""
        return check_storage(self.files, self.native)

    def read(self, key: Any = ()) -> Any:
        """Return the values that an index of h5py selects.

        Raises
        ------
        FormatError
            If they lie in a file that must not be read, or are missing.
        """
        self.check_storage()
        return self.native[key]


class LinkedGroup:
    """Group of an HDF5 file.

    Attributes
    ----------
    native
        The group of h5py.
    files
        Files that are open.
    path
        Path from the root of the first file, links included; None if the path is not known.
    """

    def __init__(
        self,
        native: Any,
        files: LinkedFiles,
        parent: LinkedGroup | None = None,
        path: str | None = None,
    ) -> None:
        self.native, self.files, self.path = native, files, path
        self.attrs, self.name = native.attrs, str(native.name)
        self._parent = parent

    @classmethod
    def wrap(cls, group: Any, files: LinkedFiles) -> LinkedGroup:
        """Return a group of the first file."""
        return cls(group, files, path=group.name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.native)

    @property
    def parent(self) -> LinkedGroup | None:
        """Group in which the link to this group is; None for a root."""
        if self._parent is None and self.name != "/":
            return LinkedGroup.wrap(self.native.parent, self.files)
        return self._parent

    def has_hard_link(self, name: str) -> bool:
        """Tell whether a name is in the same file, and not a link to another name."""
        import h5py

        return isinstance(self.native.get(name, getlink=True), h5py.HardLink)

    def has_external_link(self, name: str) -> bool:
        """Tell whether a name is a link to another file."""
        import h5py

        return isinstance(self.native.get(name, getlink=True), h5py.ExternalLink)

    def get(self, path: str) -> LinkedGroup | LinkedField | None:
        """Return a group or a field by its path; None if there is none.

        Raises
        ------
        FormatError
            If a link on the way cannot or must not be followed; see `LinkedFiles.follow`.
        """
        import h5py

        at: Any = self
        if path.startswith("/"):
            root = self.native.file["/"]
            is_first = root == self.files.first
            at = LinkedGroup(root, self.files, path="/" if is_first else None)
        for name in path.split("/"):
            if name in ("", "."):
                continue
            if not isinstance(at, LinkedGroup):
                return None
            item = self.files.follow(at.native, name)
            if isinstance(item, h5py.Group):
                place = None if at.path is None else f"{at.path.rstrip('/')}/{name}"
                at = LinkedGroup(item, self.files, at, place)
            elif isinstance(item, h5py.Dataset):
                at = LinkedField(item, self.files)
            else:
                return None
        return at  # type: ignore[no-any-return]

    def __getitem__(self, path: str) -> LinkedGroup | LinkedField:
        item = self.get(path)
        if item is None:
            raise FormatError(f"{self.files.describe(self.native)} does not hold {path!r}")
        return item
