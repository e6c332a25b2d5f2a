"""Damaged netCDF files and Zarr stores, and such as would do harm, are refused."""

import json
import os
import pickle
import subprocess
import sys

import pytest
import xarray as xr

import xrdae
from xrdae.errors import FormatError
from xrdae.loading.sources import open_data, write_netcdf, write_zarr
from xrdae.storage import checksum, netcdf_structure


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF3_64BIT", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("unlimited", [[], ["pattern"]])
def test_a_classic_file_is_refused_wherever_it_is_cut_off(tmp_path, series, kind, unlimited):
    small = series.isel(pattern=slice(3), two_theta=slice(7))
    path = tmp_path / "whole.nc"
    small.to_netcdf(path, format=kind, unlimited_dims=unlimited, engine="netcdf4")
    content = (tmp_path / "whole.nc").read_bytes()
    xr.testing.assert_identical(open_data([str(tmp_path / "whole.nc")]), small)
    for count in range(4, len(content) - 3, 5):
        (tmp_path / "cut.nc").write_bytes(content[:count])
        with pytest.raises(FormatError, match=r"cut\.nc.*cut off"):
            open_data([str(tmp_path / "cut.nc")])
        with pytest.raises(FormatError, match=r"cut\.nc.*cut off"):
            xrdae.open_patterns(tmp_path / "cut.nc")


def test_a_heap_that_the_library_would_circle_in_is_refused(tmp_path, series):
    path = tmp_path / "heap.nc"
    series.to_netcdf(path, engine="netcdf4")
    content = bytearray(path.read_bytes())
    at = content.index(b"GCOL")
    content[at + 16 : at + 48] = bytes(32)  # no object, of no size
    path.write_bytes(content)
    for read in (lambda: open_data([str(path)]), lambda: xrdae.open_patterns(path)):
        with pytest.raises(FormatError, match=r"heap\.nc.*heap"):
            read()


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 5000])
def test_an_object_that_reaches_beyond_its_heap_is_refused(tmp_path, series, length):
    path = tmp_path / "heap.nc"
    series.to_netcdf(path, engine="netcdf4")
    content = bytearray(path.read_bytes())
    at = content.index(b"GCOL")
    content[at + 24 : at + 32] = length.to_bytes(8, "little")  # of the first object
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"heap\.nc.*heap"):
        xrdae.open_patterns(path)


def test_an_attribute_that_cannot_be_read_does_not_end_the_process(tmp_path, series):
    path = tmp_path / "attribute.nc"
    series.assign_coords(x=series["x"].assign_attrs(units="Å")).to_netcdf(path, engine="netcdf4")
    content = bytearray(path.read_bytes())
    at = content.index("Å".encode(), content.index(b"GCOL"))
    content[at - 16] = 200  # this text in the heap gets another number, by which nothing names it
    path.write_bytes(content)
    code = (
        "import gc, sys; from xrdae.loading.sources import open_data\n"
        "try: open_data(sys.argv[1:])\n"
        "except ValueError as error: print(error)\n"
        "gc.collect()"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "attribute.nc: it cannot be read" in done.stdout


def test_a_coordinate_that_declares_more_than_there_is_memory_for_is_refused(tmp_path):
    netcdf4 = pytest.importorskip("netCDF4")
    with netcdf4.Dataset(tmp_path / "bomb.nc", "w") as file:
        file.createDimension("q", 10**12)
        file.createVariable("q", "f8", ("q",), zlib=True, chunksizes=(10**6,))
        file.createVariable("intensity", "f8", ("q",), zlib=True, chunksizes=(10**6,))
    assert (tmp_path / "bomb.nc").stat().st_size < 10**5
    with pytest.raises(FormatError, match=r"bomb\.nc.*'q' declares"):
        open_data([str(tmp_path / "bomb.nc")])


def test_damaged_data_of_a_netcdf_file_are_reported_when_it_is_opened(tmp_path, series):
    path = tmp_path / "packed.nc"
    series.to_netcdf(path, engine="netcdf4", encoding={"intensity": {"zlib": True}})
    content = bytearray(path.read_bytes())
    at = content.index(b"\x78\x5e") if b"\x78\x5e" in content else content.index(b"\x78\x9c")
    content[at + 100 : at + 200] = b"\x55" * 100
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"packed\.nc.*cannot be read"):
        open_data([str(path)])


@pytest.fixture
def sealed(tmp_path, series):
    write_netcdf(
        series.assign_coords(sample=("pattern", [f"p{i}" for i in range(24)])),
        tmp_path / "latents.nc",
    )
    return tmp_path / "latents.nc"


def test_every_changed_byte_of_a_result_shows_as_it_is_opened(sealed):
    whole = sealed.read_bytes()
    n = len(whole) - checksum.SIZE
    for at in range(len(netcdf_structure.HDF5), n, n // 200):
        sealed.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(FormatError, match=r"latents\.nc: .*damaged after it was written"):
            open_data([str(sealed)])
    with pytest.raises(FormatError, match=r"latents\.nc.*damaged after it was written"):
        xrdae.open_patterns(sealed)


def test_a_result_that_another_program_wrote_to_is_read(sealed):
    netcdf4 = pytest.importorskip("netCDF4")
    with netcdf4.Dataset(sealed, "a") as file:
        file["intensity"][0, 0] = 7
        file.operator = "A. N. Other"
    found = open_data([str(sealed)])
    assert found["intensity"].values[0, 0] == 7
    assert found.attrs["operator"] == "A. N. Other"


# ---------------------------------------------------------------- Zarr


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def store(tmp_path, series):
    write_zarr(series, tmp_path / "data.zarr")
    return tmp_path / "data.zarr"


def change(path, edit):
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def test_a_store_is_opened(store, series):
    xr.testing.assert_identical(open_data([str(store)], lazy=False), series)


@pytest.mark.parametrize("name", ["intensity/0.0", "two_theta/0", "x/0"])
def test_no_changed_byte_of_an_array_changes_what_is_read(store, series, name):
    whole = (store / name).read_bytes()
    refused = 0
    for at in range(0, len(whole), max(1, len(whole) // 50)):
        (store / name).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            xr.testing.assert_identical(open_data([str(store)], lazy=False), series)
        except FormatError:
            refused += 1
    assert refused > 45  # a few bits of what is packed stand for nothing


@pytest.mark.parametrize("consolidated", [True, False])
def test_nothing_in_a_store_is_run(store, tmp_path, consolidated):
    codec = {"filters": [{"id": "pickle"}], "compressor": None, "dtype": "|O", "fill_value": None}
    change(store / "x" / ".zarray", lambda content: content.update(codec))
    if consolidated:
        change(store / ".zmetadata", lambda found: found["metadata"]["x/.zarray"].update(codec))
    else:
        (store / ".zmetadata").unlink()
    (store / "x" / "0").write_bytes(pickle.dumps(Harmful(str(tmp_path / "run"))))
    with pytest.raises(FormatError, match=r"data\.zarr.*pickle"):
        open_data([str(store)], lazy=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [([10**12], [1]), ([10**12], [10**12]), ([-1], [1]), ([24], [0]), ([24], "x")],
)
def test_chunks_that_no_memory_holds_are_refused(store, shape, chunks):
    def edit(content):
        content["metadata"]["x/.zarray"].update(shape=shape, chunks=chunks)

    change(store / ".zmetadata", edit)
    with pytest.raises(FormatError, match=r"data\.zarr.*chunks"):
        open_data([str(store)])


@pytest.mark.parametrize("text", ["", "{", "null", "[" * 100_000, '{"metadata": 3}', "\udcff"])
def test_metadata_of_another_form_is_refused(store, text):
    (store / ".zmetadata").write_text(text, errors="surrogateescape")
    with pytest.raises(FormatError, match=r"data\.zarr"):
        open_data([str(store)])


def test_a_chunk_that_is_damaged_is_an_error(store):
    path = store / "intensity" / "0.0"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(FormatError, match=r"data\.zarr"):
        open_data([str(store)], lazy=False)
