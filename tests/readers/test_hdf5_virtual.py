"""Virtual datasets of HDF5 files: the right numbers, or a reason."""

import h5py
import numpy as np
import pytest

import xrdae
from linked_files import (
    INNER,
    NUMBERS,
    make_growing,
    make_numbered,
    make_virtual,
    read,
    refuse,
    write_master,
    write_numbers,
)


def test_virtual_datasets_within_the_folder_are_read(folder):
    for name, shift in (("a", 0), ("b", 50)):
        write_numbers(folder / "raw" / f"{name}.h5", NUMBERS[:1] + shift)
    make = make_virtual("raw/a.h5", folder / "raw" / "b.h5", "raw/a.h5", shape=(1, 4))
    master = write_master(folder / "m.h5", make)
    expected = np.concatenate([NUMBERS[:1], NUMBERS[:1] + 50, NUMBERS[:1]])
    np.testing.assert_array_equal(read(master), expected)
    write_numbers(folder / "d.h5")
    nested = write_master(folder / "n.h5", make_virtual("v.h5", path="entry/data/data_000001"))
    write_master(folder / "v.h5", make_virtual("d.h5"))
    np.testing.assert_array_equal(read(nested), NUMBERS)
    same = write_master(folder / "s.h5", make_virtual("."), inner=NUMBERS)
    np.testing.assert_array_equal(read(same), NUMBERS)
    named = write_master(folder / "t.h5", make_virtual("t.h5"), inner=NUMBERS)
    np.testing.assert_array_equal(read(named), NUMBERS)


def test_a_virtual_dataset_that_grows_with_its_source_is_read(folder):
    with h5py.File(folder / "d.h5", "w") as file:
        file.create_dataset(INNER, data=NUMBERS, maxshape=(None, 4))
    master = write_master(folder / "m.h5", make_growing("d.h5"))
    np.testing.assert_array_equal(read(master), NUMBERS)


def test_a_virtual_dataset_and_a_link_to_its_source_give_the_same_numbers(folder):
    write_numbers(folder / "d.h5")
    master = write_master(folder / "m.h5", make_virtual("d.h5"))
    with h5py.File(master, "a") as file:
        file["entry/data/data_000001_errors"] = h5py.ExternalLink("d.h5", INNER)
    found = xrdae.open_patterns(master)
    np.testing.assert_array_equal(found["intensity"], NUMBERS)
    np.testing.assert_array_equal(found["intensity_errors"], NUMBERS)


def test_a_virtual_dataset_with_a_source_that_is_missing_is_refused(folder):
    data = write_numbers(folder / "d.h5", NUMBERS[:2])
    refuse(write_master(folder / "m.h5", make_virtual("d.h5")), "d.h5", "the shape (2, 4)")
    write_numbers(folder / "d.h5")
    refuse(write_master(folder / "m.h5", make_virtual("e.h5")), "e.h5", "no such file")
    refuse(write_master(folder / "m.h5", make_virtual("d.h5", path="/x")), "d.h5:/x", "not exist")
    write_numbers(folder / "d_0.h5")
    refuse(write_master(folder / "m.h5", make_numbered), "d_%b.h5", "numbered")
    found = xrdae.open_patterns(write_master(folder / "m.h5", make_virtual("d.h5")))
    data.unlink()
    with pytest.raises(xrdae.FormatError, match=r"d\.h5.*no such file"):
        found.load()


def test_a_virtual_dataset_whose_files_the_environment_may_replace_is_refused(folder, monkeypatch):
    write_numbers(folder / "d.h5")
    master = write_master(folder / "m.h5", make_virtual("d.h5"))
    monkeypatch.setenv("HDF5_VDS_PREFIX", str(folder.parent / "outside"))
    refuse(master, "unset HDF5_VDS_PREFIX")


def test_a_virtual_dataset_of_itself_is_refused(folder):
    path = "/entry/data/data_000001"
    refuse(write_master(folder / "m.h5", make_virtual("b.h5", path=path)), "b.h5", "no such file")
    write_master(folder / "b.h5", make_virtual("m.h5", path=path))
    refuse(folder / "m.h5", "virtual dataset", "in a circle")
