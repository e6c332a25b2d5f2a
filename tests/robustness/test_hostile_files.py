"""Files that claim more than they hold, lead in a circle, or were made to break a reader."""

import io
import json
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest
import xarray as xr

import xrdae

XML = '<RawData><DataRoutes><DataRoute RouteFlag="Measured">{}</DataRoute></DataRoutes></RawData>'


def refused(path, reason):
    with pytest.raises(xrdae.FormatError, match=reason) as error:
        xrdae.open_patterns(path)
    assert str(path) in str(error.value)


@pytest.fixture
def nexus(tmp_path):
    """A file with an NXdata of two patterns, to be spoilt."""
    path = tmp_path / "a.nxs"
    with h5py.File(path, "w") as file:
        group = file.create_group("data")
        group.attrs.update({"NX_class": "NXdata", "signal": "I", "axes": [".", "q"]})
        group["I"] = np.arange(8.0).reshape(2, 4)
        group["q"] = np.arange(4.0)
        group["q"].attrs["units"] = "1/nm"
    return path


@pytest.mark.parametrize("members", [1, 40])
def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused(tmp_path, members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(members):
            many = XML.format("<a/>" * (8_000_000 // members))
            archive.writestr(f"Experiment0/RawData{i}.xml", many)
    (tmp_path / "a.brml").write_bytes(stream.getvalue())
    refused(tmp_path / "a.brml", "unpacks to more than 16 MB")


def test_announced_fields_without_data_are_refused(nexus):
    with h5py.File(nexus, "a") as file:
        del file["data/I"], file["data/q"]
        file.create_dataset("data/I", (10**12,), "f8", chunks=(10**4,))
        q = file.create_dataset("data/q", (10**12,), "f8", chunks=(10**4,))
        q.attrs["units"] = "1/nm"
        file["data"].attrs["axes"] = "q"
    refused(nexus, "announces .* MB of numbers")


def test_many_announced_labels_without_data_are_refused(nexus):
    with h5py.File(nexus, "a") as file:
        del file["data/I"]
        file.create_dataset("data/I", (10**6, 4), "f8", chunks=(10**4, 4))
        for i in range(100):
            file.create_dataset(f"data/label {i}", (10**6,), "f8", chunks=(10**4,))
    refused(nexus, "announces .* MB of numbers")


def test_a_chunk_that_is_larger_than_any_file_is_not_read(nexus):
    with h5py.File(nexus, "a") as file:
        del file["data/I"]
        file.create_dataset("data/I", (2, 4), "f8", chunks=(2, 10**8), maxshape=(2, None))
    refused(nexus, "announces .* MB of numbers")


def test_announced_patterns_without_data_are_not_loaded(nexus):
    with h5py.File(nexus, "a") as file:
        del file["data/I"]
        file.create_dataset("data/I", (10**9, 4), "f8", chunks=(10**4, 4))
    assert xrdae.open_patterns(nexus)["intensity"].shape == (10**9, 4)  # lazily
    with pytest.raises(xrdae.FormatError, match=r"announces .* MB of numbers"):
        xrdae.open_patterns([nexus])


def test_netcdf_that_announces_more_than_it_holds_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.attrs["_NCProperties"] = np.bytes_("version=2")
        file.create_dataset("intensity", (10**11,), "f8", chunks=(10**4,))
    refused(tmp_path / "a.nc", "announces .* MB of numbers|cannot be read")


def test_groups_in_a_circle_are_walked_once(nexus):
    with h5py.File(nexus, "a") as file:
        for i in range(20):
            file[f"data/{i}"] = file["/"]
    assert xrdae.open_patterns(nexus).sizes == {"pattern": 2, "q": 4}


def test_broken_links_are_not_fields(nexus):
    with h5py.File(nexus, "a") as file:
        del file["data"].attrs["signal"], file["data/q"]
        file["data/A"] = h5py.SoftLink("/nowhere")
        file["data/q"] = h5py.ExternalLink("nowhere.h5", "/q")
        file["data/I"].attrs["signal"] = 1
    refused(nexus, "names the axis|cannot be read")


@pytest.mark.parametrize(
    ("mark", "dtype"), [(np.bytes_("version=2"), "f2"), ("version=2", "f4"), (952992832527, "f4")]
)
def test_files_of_other_writers_do_not_reach_the_netcdf_library(tmp_path, mark, dtype):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file.attrs["_NCProperties"] = mark
        file["intensity"] = np.arange(1000).astype(dtype)
    refused(tmp_path / "a.nc", "no NXdata")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[2.0, 2.0, 2.0], [5, 6, 7]], "its positions are all 2"),
        ([[1.0, 2.0, 1e300], [5, 6, 7]], "are no q in 1/angstrom"),
    ],
)
def test_positions_that_cannot_be_are_refused(tmp_path, rows, reason):
    content = {"data": rows, "attrs": {"config": {"dataformat": "QA"}}}
    (tmp_path / "a.iq").write_text(json.dumps(content))
    refused(tmp_path / "a.iq", reason)


def test_netcdf_files_are_read_side_by_side_without_a_crash(tmp_path):
    axis = ("q", np.linspace(1, 2, 40), {"units": "1/angstrom"})
    labels = {f"v{k}": ("pattern", [1.0, 2.0]) for k in range(20)}
    for i in range(40):
        intensity = (("pattern", "q"), np.ones((2, 40)))
        xr.Dataset({"intensity": intensity, **labels}, {"q": axis}).to_netcdf(tmp_path / f"{i}.nc")
    code = (
        "import sys, xrdae\n"
        "for _ in range(10): print(xrdae.open_patterns(sys.argv[1]).sizes['pattern'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["40"] * 10
