"""Links and raw storage of HDF5 files: the right numbers, or a reason."""

import os
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

import xrdae
from linked_files import (
    INNER,
    NUMBERS,
    OTHERS,
    link_to,
    make_raw,
    make_virtual,
    read,
    refuse,
    write_master,
    write_numbers,
)
from xrdae import plugins


def test_an_external_link_gives_the_numbers_of_the_file_it_names(folder):
    write_numbers(folder / "d.h5")
    master = write_master(folder / "m.h5", link_to("d.h5"))
    found = xrdae.open_patterns(master)
    assert float(found["wavelength"]) == 1
    assert not found["intensity"].variable._in_memory
    copied = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(read(master), NUMBERS)
    np.testing.assert_array_equal(copied["intensity"], NUMBERS)
    np.testing.assert_array_equal(found.chunk(x=1)["intensity"], NUMBERS)
    np.testing.assert_array_equal(found["intensity"][[2, 0], 1:], NUMBERS[[2, 0], 1:])


def test_links_count_the_bytes_of_the_files_they_lead_to(folder, monkeypatch):
    monkeypatch.setattr("xrdae.readers.data_file.ALWAYS_LOADED", 0)
    many = np.random.default_rng(0).random((3, 10**5))
    write_numbers(folder / "d.h5", many)
    master = write_master(folder / "m.h5", link_to("d.h5"))
    with h5py.File(master, "a") as file:
        del file["entry/data/q"]
        file["entry/data/q"] = np.linspace(1, 9, 10**5)
        file["entry/data/q"].attrs["units"] = "1/nm"
    assert many.nbytes > 2 * master.stat().st_size
    monkeypatch.setattr("xrdae.readers.data_file.MOST_TIMES", 2)
    found = xrdae.open_patterns([master])["intensity"]
    np.testing.assert_array_equal(found.values.reshape(many.shape), many)


@pytest.mark.parametrize("with_default", [True, False])
def test_a_master_whose_entries_are_links_is_read_as_the_file_with_the_scan(folder, with_default):
    write_numbers(folder / "scan0001" / "detector.h5", name="/entry_0000/data")
    scan = write_master(folder / "scan0001" / "scan.h5", link_to("detector.h5", "/entry_0000/data"))
    with h5py.File(folder / "master.h5", "w") as file:
        file["1.1"] = h5py.ExternalLink("scan0001/scan.h5", "/entry")
        file["entry/data/data_000001"] = OTHERS
        if with_default:
            file.attrs["default"] = "1.1"
    np.testing.assert_array_equal(read(folder / "master.h5"), NUMBERS)
    assert float(xrdae.open_patterns(folder / "master.h5")["wavelength"]) == 1
    np.testing.assert_array_equal(read(scan), NUMBERS)


def test_metadata_of_the_entry_hold_for_an_nxdata_that_is_a_link(folder):
    write_master(folder / "d.h5", lambda group, name: group.create_dataset(name, data=NUMBERS))
    master = write_master(folder / "m.h5", lambda group, name: None)
    with h5py.File(master, "a") as file:
        del file["entry/data"]
        file["entry/data"] = h5py.ExternalLink("d.h5", "/entry/data")
        file["entry/beam/wavelength"][()] = 0.2
        file["entry/title"] = "a title"
    found = xrdae.open_patterns(master)
    assert (float(found["wavelength"]), found.attrs["title"]) == (2, "a title")
    np.testing.assert_array_equal(found["intensity"], NUMBERS)


def test_a_soft_link_to_an_external_link_gives_the_numbers_at_its_end(folder):
    write_numbers(folder / "d.h5", name="/a/b")
    with h5py.File(folder / "d.h5", "a") as file:
        file["c"] = h5py.SoftLink("/a")

    def make(group, name):
        group.file["detector"] = h5py.ExternalLink("d.h5", "/c")
        group[name] = h5py.SoftLink("/detector/b")
        group.file["a/b"] = OTHERS

    np.testing.assert_array_equal(read(write_master(folder / "m.h5", make)), NUMBERS)


@pytest.mark.parametrize(
    "name", ["d.h5", "./d.h5", "sub/../d.h5", "{folder}/d.h5", "/moved/from/here/d.h5", "sub/e.h5"]
)
def test_links_within_the_folder_and_below_it_are_followed(folder, name):
    for path in ("d.h5", "sub/e.h5"):
        write_numbers(folder / path)
    master = write_master(folder / "m.h5", link_to(name.format(folder=folder)))
    np.testing.assert_array_equal(read(master), NUMBERS)


def test_a_relative_link_starts_in_the_folder_of_the_file_that_holds_it(folder, monkeypatch):
    write_numbers(folder / "sub" / "d.h5")
    write_numbers(folder / "d.h5", OTHERS)
    with h5py.File(folder / "sub" / "e.h5", "w") as file:
        file["up"] = h5py.ExternalLink("d.h5", INNER)
        file["top"] = h5py.ExternalLink("../d.h5", INNER)
    monkeypatch.chdir(folder.parent / "outside")
    for name, expected in (("up", NUMBERS), ("top", OTHERS)):
        master = write_master(folder / "m.h5", link_to("sub/e.h5", name))
        np.testing.assert_array_equal(read(master), expected)


def test_a_master_that_is_a_symbolic_link_is_read_as_the_file_itself(folder):
    write_numbers(folder / "d.h5")
    write_master(folder / "m.h5", link_to("d.h5"))
    shortcut = folder.parent / "outside" / "current.h5"
    shortcut.symlink_to(folder / "m.h5")
    np.testing.assert_array_equal(read(shortcut), NUMBERS)


MAKERS = [link_to, make_virtual]


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    "name",
    ["../outside/d.h5", "{outside}", "shortcut.h5", "shortcut/d.h5", "sub/../../outside/d.h5"],
)
def test_another_folder_needs_trust(folder, outside, make, name):
    (folder / "shortcut.h5").symlink_to(outside)
    (folder / "shortcut").symlink_to(outside.parent)
    (folder / "sub").mkdir()
    name = name.format(outside=outside)
    master = write_master(folder / "m.h5", make(name))
    refuse(master, "/entry/data/data_000001", name, "trust_links=True")
    np.testing.assert_array_equal(read(master, trust_links=True), NUMBERS)


def test_a_link_of_a_linked_file_to_another_folder_needs_trust(folder, outside):
    with h5py.File(folder / "d.h5", "w") as file:
        file["x"] = h5py.ExternalLink("../outside/d.h5", INNER)
    for make in (link_to("d.h5", "x"), make_virtual("d.h5", path="x")):
        master = write_master(folder / "m.h5", make)
        refuse(master, "/x of ", "../outside/d.h5", "trust_links=True")
        np.testing.assert_array_equal(read(master, trust_links=True), NUMBERS)


@pytest.mark.parametrize("trust_links", [False, True])
@pytest.mark.parametrize("way", ["directly", "by a link", "by a virtual dataset", "as a label"])
def test_raw_storage_is_refused_always(folder, way, trust_links):
    (folder / "secret.bin").write_bytes(NUMBERS.tobytes())
    with h5py.File(folder / "d.h5", "w") as file:
        make_raw(folder / "secret.bin")(file, "raw")
    make = {
        "directly": make_raw("secret.bin"),
        "by a link": link_to("d.h5", "raw"),
        "by a virtual dataset": make_virtual("d.h5", path="raw"),
        "as a label": lambda group, name: group.create_dataset(name, data=NUMBERS),
    }[way]
    master = write_master(folder / "m.h5", make)
    if way == "as a label":
        with h5py.File(master, "a") as file:
            where = [("secret.bin", 0, 24)]
            file["entry/data"].create_dataset("temperature", (3,), "f8", external=where)
    refuse(master, "raw bytes", "secret.bin", trust_links=trust_links)
    with h5py.File(master) as file, pytest.raises(xrdae.FormatError, match="raw bytes"):
        plugins.to_dataset(file)


@pytest.mark.parametrize("trust_links", [False, True])
@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere.h5", "no such file"),
        ("pipe.h5", "not a regular file"),
        ("folder.h5", "not a regular file"),
        (".", "not a regular file"),
        ("text.h5", "not an HDF5 file"),
        ("empty.h5", "not an HDF5 file"),
        ("itself.h5", "no such file"),
        ("cut.h5", "cannot be read"),
    ],
)
def test_a_target_that_is_no_hdf5_file_is_refused(folder, make, target, reason, trust_links):
    if make is make_virtual and target == ".":
        pytest.skip("this names the file itself")
    os.mkfifo(folder / "pipe.h5")
    (folder / "folder.h5").mkdir()
    (folder / "text.h5").write_text("1 2 3\n")
    (folder / "empty.h5").touch()
    (folder / "itself.h5").symlink_to("itself.h5")
    (folder / "cut.h5").write_bytes(write_numbers(folder / "d.h5").read_bytes()[:1000])
    master = write_master(folder / "m.h5", make(target))
    refuse(master, "/entry/data/data_000001", f"{target}:{INNER}", reason, trust_links=trust_links)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_a_device_is_refused(folder):
    master = write_master(folder / "m.h5", link_to("/dev/zero"))
    refuse(master, "/dev/zero", "trust_links=True")
    refuse(master, "/dev/zero", "not a regular file", trust_links=True)


def test_a_link_to_an_object_that_is_missing_is_refused(folder):
    write_numbers(folder / "d.h5")
    master = write_master(folder / "m.h5", link_to("d.h5", "/entry/nothing"))
    refuse(master, "the link /entry/data/data_000001 leads to d.h5:/entry/nothing", "not exist")


def soft_circle(group, name):
    group[name], group["second"] = h5py.SoftLink("second"), h5py.SoftLink(name)


def soft_circle_of_groups(group, name):
    group["self"] = h5py.SoftLink("self/self/self")
    group[name] = h5py.SoftLink("self/q")


def external_circle(group, name):
    group[name] = h5py.ExternalLink("b.h5", "/back")
    with h5py.File(Path(group.file.filename).with_name("b.h5"), "w") as file:
        file["back"] = h5py.ExternalLink("m.h5", f"/entry/data/{name}")


def doubling_links(group, name):
    for i in range(40):
        group[f"l{i}"] = h5py.SoftLink(f"/entry/data/l{i + 1}/l{i + 1}/l{i + 1}")
    group["l40"] = h5py.SoftLink("/entry/data")
    group[name] = h5py.SoftLink("l0/q")


@pytest.mark.parametrize(
    "make", [soft_circle, soft_circle_of_groups, external_circle, doubling_links]
)
def test_links_in_a_circle_are_refused(folder, make):
    refuse(write_master(folder / "m.h5", make), "the link ", "circle")


def test_files_that_link_to_each_other_are_walked_once(folder):
    write_numbers(folder / "d.h5")
    write_master(folder / "m.h5", link_to("d.h5"))
    for name, other in (("a", "b"), ("b", "a")):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["other"] = h5py.ExternalLink(f"{other}.h5", "/")
            file["entry"] = h5py.ExternalLink("m.h5", "/entry")
    np.testing.assert_array_equal(read(folder / "a.h5"), NUMBERS)


def test_a_label_whose_link_leads_nowhere_is_left_out_with_a_warning(folder):
    master = write_master(
        folder / "m.h5", lambda group, name: group.create_dataset(name, data=NUMBERS)
    )
    with h5py.File(master, "a") as file:
        file["entry/data/temperature"] = h5py.ExternalLink("gone.h5", "/t")
    with pytest.warns(UserWarning, match=r"data/temperature leads to gone\.h5:/t.*left out"):
        found = xrdae.open_patterns(master)
    assert "temperature" not in found.coords
    np.testing.assert_array_equal(found["intensity"], NUMBERS)


def test_a_label_and_an_axis_are_read_by_links_too(folder, outside):
    with h5py.File(folder / "d.h5", "w") as file:
        file["t"], file["q"] = [300.0, 310, 320], np.arange(4.0) + 7
        file["q"].attrs["units"] = "1/angstrom"
    master = write_master(
        folder / "m.h5", lambda group, name: group.create_dataset(name, data=NUMBERS)
    )
    with h5py.File(master, "a") as file:
        del file["entry/data/q"]
        file["entry/data/q"] = h5py.ExternalLink("d.h5", "/q")
        file["entry/data/temperature"] = h5py.ExternalLink("d.h5", "/t")
    found = xrdae.open_patterns(master)
    assert found["q"].values.tolist() == [7, 8, 9, 10]
    assert found["temperature"].values.tolist() == [300, 310, 320]
    with h5py.File(master, "a") as file:
        file["entry/data/pressure"] = h5py.ExternalLink("../outside/d.h5", INNER)
    refuse(master, "/entry/data/pressure", "trust_links=True")


def test_groups_of_a_host_are_read_by_their_links_to_any_folder(folder, outside):
    write_numbers(folder / "d.h5", OTHERS + 1)
    for make in (link_to(outside), make_virtual(outside)):
        master = write_master(folder / "m.h5", make)
        for mode in ("r", "r+"):
            with h5py.File(master, mode) as file:
                np.testing.assert_array_equal(plugins.to_dataset(file)["intensity"], NUMBERS)
    os.mkfifo(folder / "pipe.h5")
    for make, reason in (
        (make_virtual("gone.h5"), "no such file"),
        (link_to("pipe.h5"), "not a regular file"),
    ):
        master = write_master(folder / "m.h5", make)
        with h5py.File(master) as file, pytest.raises(xrdae.FormatError, match=reason):
            plugins.to_dataset(file)


def test_results_of_linked_data_are_written_into_the_entry_of_the_host(folder, model, series):
    write_numbers(folder / "d.h5", series["intensity"].values)

    def make(group, name):
        del group["q"], group["x"]
        group.parent["beam/wavelength"][()] = 0.15406
        group["two_theta"] = series["two_theta"].values
        group["two_theta"].attrs["units"] = "degree"
        group.attrs["axes"] = [".", "two_theta"]
        link_to("d.h5")(group, name)

    master = write_master(folder / "m.h5", make)
    with h5py.File(folder / "top.h5", "w") as file:
        file["1.1"] = h5py.ExternalLink("m.h5", "/entry")
        file.attrs["default"] = "1.1"
    before = (folder / "d.h5").read_bytes()
    for path in (master, folder / "top.h5"):
        with h5py.File(path, "r+") as file:
            xrdae.analyze(file, model)
    with h5py.File(master) as file:
        assert {"xrdae", "xrdae_2"} <= set(file["entry"])
    assert (folder / "d.h5").read_bytes() == before
