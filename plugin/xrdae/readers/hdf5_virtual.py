"""Check where the numbers of an HDF5 field lie: in HDF5 files that may be read, and completely.

Raw bytes of other files (`H5Pset_external`) are never read: they may be of any file of the user.
Where a source of a virtual dataset is missing, the HDF5 library returns fill values without an
error, so such a dataset is refused. Source: `H5Pset_virtual` of the HDF5 reference manual.
"""

from __future__ import annotations

import math
import os
import re
from typing import Any

from xrdae.errors import FormatError
from xrdae.readers.hdf5_links import MOST_LINKS, DanglingLinkError, LinkedFiles

MOST_NESTED = 4  # virtual datasets of virtual datasets
_NUMBERED = re.compile(r"%\d*b")  # a place for the number of a block; %% is a percent sign
_PREFIX = "HDF5_VDS_PREFIX"


def check_storage(files: LinkedFiles, field: Any, left: int = MOST_NESTED) -> int:
    """Return how many bytes the files with the numbers of a field have.

    Parameters
    ----------
    files
        Files that are open.
    field
        Field of h5py.
    left
        How many levels of virtual datasets may follow.

    Raises
    ------
    FormatError
        If the numbers lie in a file that must not be read, or if a source is missing or too small.
    """
    place = (os.path.realpath(field.file.filename), str(field.name))
    if place not in files.checked:
        files.checked[place] = None  # not known yet
        own = int(field.file.id.get_filesize())
        files.checked[place] = own + _check_sources(files, field, left)
    stored = files.checked[place]
    if stored is None:
        raise FormatError(
            f"{files.describe(field)} is a virtual dataset whose sources consist of it, in a "
            "circle; copy the numbers into the HDF5 file"
        )
    return stored


def _check_sources(files: LinkedFiles, field: Any, left: int) -> int:
    """Return the bytes of the source files of a field; 0 for a field that is not virtual."""
    if field.external:
        names = ", ".join(repr(name) for name, *_ in field.external)
        raise FormatError(
            f"{files.describe(field)} consists of raw bytes of other files ({names}), which may be "
            "any files and are never read; copy the numbers into the HDF5 file"
        )
    if not field.is_virtual:
        return 0
    if left == 0:
        raise FormatError(
            f"{files.describe(field)} is a virtual dataset of more than {MOST_NESTED} others in a "
            "row; copy the numbers into the HDF5 file"
        )
    shapes: dict[tuple[str, str], tuple[int, ...]] = {}
    stored = 0
    for virtual, file_name, name, space in field.virtual_sources():
        where = f"the virtual dataset {files.describe(field)} consists of {file_name}:{name}"
        if (file_name, name) not in shapes:
            shape, size = _check_source(files, field, file_name, name, where, left)
            shapes[file_name, name] = shape
            stored += size
        if not _fits(virtual, space, shapes[file_name, name]):
            raise FormatError(
                f"{where}, but the shape {shapes[file_name, name]} of this source lacks some "
                "numbers; copy the complete file"
            )
    return stored


def _check_source(
    files: LinkedFiles, field: Any, file_name: str, name: str, where: str, left: int
) -> tuple[tuple[int, ...], int]:
    """Return the shape of a source of a virtual dataset, and the bytes of its files."""
    import h5py

    if any(_NUMBERED.search(text.replace("%%", "")) for text in (file_name, name)):
        raise FormatError(
            f"{where}, a series of numbered sources without an end, of which some may be missing; "
            "name each source in the virtual dataset"
        )
    holder = os.path.realpath(field.file.filename)
    if file_name == ".":
        path = holder
    elif os.environ.get(_PREFIX):
        raise FormatError(
            f"{where}, but {_PREFIX} in the environment may replace that file; unset {_PREFIX}"
        )
    else:
        path = files.find_file(file_name.replace("%%", "%"), [os.path.dirname(holder)], where)
    with files.borrow(path, where) as file:
        source = files.resolve(file["/"], name.replace("%%", "%"), iter(range(MOST_LINKS)))
        if not isinstance(source, h5py.Dataset):
            raise DanglingLinkError(f"{where}, which does not exist; copy the complete file")
        return source.shape, check_storage(files, source, left - 1)


def _fits(virtual: Any, source: Any, shape: tuple[int, ...]) -> bool:
    """Tell whether the source has all numbers that a virtual dataset takes from it.

    Parameters
    ----------
    virtual, source
        Selections of h5py in the virtual dataset and in the source.
    shape
        Shape of the source.
    """
    import h5py

    if source.get_select_type() == h5py.h5s.SEL_NONE:
        return True
    if source.get_select_type() == h5py.h5s.SEL_ALL:  # which may state no shape
        return not _is_bounded(virtual) or virtual.get_select_npoints() == math.prod(shape)
    if not _is_bounded(source):  # the source decides how many there are
        return len(shape) == int(source.get_simple_extent_ndims())
    _, last = source.get_select_bounds()
    return len(last) == len(shape) and all(i < n for i, n in zip(last, shape, strict=True))


def _is_bounded(space: Any) -> bool:
    """Tell whether a selection has an end."""
    try:
        space.get_select_bounds()
    except (RuntimeError, ValueError):
        return False
    return True
