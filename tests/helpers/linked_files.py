"""HDF5 files with links, virtual datasets and raw storage, for tests."""

import h5py
import numpy as np
import pytest

import xrdae
from xrdae.loading.sources import open_data

INNER = "/entry/data/data"
NUMBERS = np.arange(12.0).reshape(3, 4) + 100
OTHERS = np.zeros((3, 4))
VIRTUAL = h5py.VirtualSource


def write_numbers(path, values=NUMBERS, name=INNER):
    """Write a data file, as a detector does."""
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        file[name] = values
    return path


def write_master(path, make_signal, name="data_000001", inner=OTHERS):
    """Write a master file, whose signal `make_signal(group, name)` makes."""
    path.parent.mkdir(exist_ok=True)
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        file.attrs["default"], entry.attrs["NX_class"] = "entry", "NXentry"
        entry["beam/wavelength"] = 0.1
        entry["beam/wavelength"].attrs["units"] = "nm"
        data = entry.create_group("data")
        entry.attrs["default"] = "data"
        data.attrs.update(NX_class="NXdata", signal=name, axes=["x", "q"])
        data["q"], data["x"] = np.arange(4.0), np.arange(3.0)
        data["q"].attrs["units"], data["x"].attrs["units"] = "1/nm", "mm"
        make_signal(data, name)
        if inner is not None:
            file[INNER] = inner
    return path


def link_to(target, path=INNER):
    def make(group, name):
        group[name] = h5py.ExternalLink(str(target), path)

    return make


def make_virtual(*sources, shape=(3, 4), path=INNER):
    """Return a function that makes a virtual dataset of files, one below the other."""

    def make(group, name):
        layout = h5py.VirtualLayout((shape[0] * len(sources), *shape[1:]), "f8")
        for i, source in enumerate(sources):
            rows = slice(i * shape[0], (i + 1) * shape[0])
            layout[rows] = VIRTUAL(str(source), path, shape=shape)
        group.create_virtual_dataset(name, layout, fillvalue=-1)

    return make


def make_numbered(group, name):
    """Make a virtual dataset of as many files d_0.h5, d_1.h5 ... as there are."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    space = h5py.h5s.create_simple((3, 4), (h5py.h5s.UNLIMITED, 4))
    space.select_hyperslab((0, 0), (h5py.h5s.UNLIMITED, 1), (3, 4), (3, 4))
    layout.set_virtual(space, b"d_%b.h5", INNER.encode(), h5py.h5s.create_simple((3, 4)))
    h5py.h5d.create(group.id, name.encode(), h5py.h5t.NATIVE_DOUBLE, space, layout)


def make_growing(path):
    """Return a function that makes a virtual dataset with all rows that a file will have."""

    def make(group, name):
        layout = h5py.VirtualLayout((3, 4), "f8", maxshape=(None, 4))
        source = VIRTUAL(str(path), INNER, shape=(3, 4), maxshape=(None, 4))
        layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
        group.create_virtual_dataset(name, layout, fillvalue=-1)

    return make


def make_raw(path):
    def make(group, name):
        group.create_dataset(name, (3, 4), "f8", external=[(str(path), 0, 96)])

    return make


def read(path, **options):
    """Return the intensities by each way to open a file, which must agree."""
    found = xrdae.open_patterns(path, **options)["intensity"].values
    for other in (
        xrdae.open_patterns([path], **options)["intensity"].values[0],
        open_data([str(path)], **options)["intensity"].values,
    ):
        np.testing.assert_array_equal(other.reshape(found.shape), found)
    return found


def refuse(path, *texts, **options):
    """Check that each way to open a file refuses it, with texts in the error."""
    for way in (xrdae.open_patterns, lambda path, **options: open_data([str(path)], **options)):
        with pytest.raises(xrdae.FormatError) as raised:
            way(path, **options)
        for text in (str(path), *texts):
            assert text in str(raised.value)
