"""Find what the netCDF library would follow out of an HDF5 file, or in a circle.

The netCDF library follows every link and reads numbers that lie in other files: any file that the
user may read, and it waits for ever at a pipe. It never writes links, virtual datasets or raw
storage itself. A file that has them is therefore kept from it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from xrdae.errors import FormatError
from xrdae.storage.hdf5_file import File
from xrdae.storage.hdf5_objects import HARD_LINK, Group


class ForeignBytesError(FormatError):
    """An HDF5 file has links, or numbers that lie in other files."""


def open_file(path: str | os.PathLike[str]) -> Any:
    """Return an h5py file that is open for reading.

    The HDF5 library opens sources of virtual datasets with the close degree "weak". It reads zeros
    from a source that is open with another degree, so files are always opened with this one.
    """
    import h5py

    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_fclose_degree(h5py.h5f.CLOSE_WEAK)
    return h5py.File(h5py.h5f.open(os.fsencode(path), h5py.h5f.ACC_RDONLY, fapl=access))


def check_self_contained(path: str | os.PathLike[str]) -> None:
    """Refuse an HDF5 file with links, raw storage, virtual datasets or groups with several names.

    Raises
    ------
    ForeignBytesError
        If it has any of them.
    FormatError
        If its structure cannot be read.
    """
    try:
        import h5py  # noqa: F401
    except ImportError:
        reason = _search_without_h5py(Path(path))
    else:
        with open_file(path) as file:
            reason = _search(file)
    if reason is not None:
        raise ForeignBytesError(
            f"{reason}, but a netCDF file holds its numbers itself; copy them into one file"
        )


def _search(file: Any) -> str | None:
    """Return what an open file of h5py has that leads out of it; None if there is nothing."""
    import h5py

    def look(name: str, link: Any) -> str | None:
        if isinstance(link, h5py.ExternalLink):
            return f"/{name} is a link to {link.filename}:{link.path}"
        if not isinstance(link, h5py.HardLink):
            return f"/{name} is a link to {link.path}"
        item = file[name]
        if isinstance(item, h5py.Group):
            several = h5py.h5o.get_info(item.id).rc > 1
            return f"the group /{name} has several names" if several else None
        if isinstance(item, h5py.Dataset) and item.external:
            return f"/{name} consists of raw bytes of the file {item.external[0][0]!r}"
        if isinstance(item, h5py.Dataset) and item.is_virtual:
            return f"/{name} is a virtual dataset"
        return None

    if h5py.h5o.get_info(file["/"].id).rc > 1:
        return "the root has several names"
    try:
        reason: str | None = file.visititems_links(look)
    except TypeError:  # h5py has no class for links that programs define
        return "it has a link of an unknown type"
    return reason


def _search_without_h5py(path: Path) -> str | None:
    """Return the same by our own reader, which knows the HDF5 that the netCDF library writes."""
    try:
        with path.open("rb") as stream:
            file = File(stream, path.stat().st_size, checked=False)
            waiting, seen = [("", Group(file, file.root))], {file.root}
            for place, group in waiting:  # grows
                for name, (kind, target) in group.links.items():
                    whole, address = f"{place}/{name}", int.from_bytes(target, "little")
                    if kind != HARD_LINK:
                        return f"{whole} is a link"
                    if address in seen:
                        return f"{whole} has several names"
                    seen.add(address)
                    item = Group(file, address)
                    if item.is_foreign:
                        return f"the numbers of {whole} lie elsewhere"
                    waiting.append((whole, item))
    except Exception as error:  # also of unforeseen content
        raise FormatError(
            f"xrdae cannot tell without h5py whether its numbers lie in other files ({error}); "
            'pip install "xrdae[formats]"'
        ) from error
    return None
