"""netCDF files hold their numbers themselves, and not fewer than they announce."""

import sys

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

from xrdae.errors import FormatError
from xrdae.loading.sources import open_data, write_netcdf
from xrdae.storage import checksum
from xrdae.storage import netcdf as storage
from xrdae.storage.hdf5_foreign import ForeignBytesError
from xrdae.storage.netcdf import open_netcdf


def add_external_link(file, path):
    del file["intensity"]
    file["intensity"] = h5py.ExternalLink(str(path), "intensity")


def add_dangling_link(file, path):
    file["group/other"] = h5py.ExternalLink("gone.nc", "intensity")


def add_raw_storage(file, path):
    del file["intensity"]
    file.create_dataset("intensity", (24, 200), "f8", external=[(str(path), 0, 24 * 200 * 8)])


def add_virtual_dataset(file, path):
    del file["intensity"]
    layout = h5py.VirtualLayout((24, 200), "f8")
    layout[:] = h5py.VirtualSource(str(path), "intensity", shape=(24, 200))
    file.create_virtual_dataset("intensity", layout)


def add_soft_circle(file, path):
    file["group/self"] = h5py.SoftLink("/group")


def add_hard_circle(file, path):
    file["group/self"] = file["/"]


def add_second_name(file, path):
    file["group/within/again"] = file["group"]


SPOILS = [
    add_external_link,
    add_dangling_link,
    add_raw_storage,
    add_virtual_dataset,
    add_soft_circle,
    add_hard_circle,
    add_second_name,
]


@pytest.fixture(params=[True, False], ids=["h5py", "without h5py"])
def reader(request, monkeypatch):
    """Return a function that takes h5py away, if the reader shall do without it."""
    return lambda: None if request.param else monkeypatch.setitem(sys.modules, "h5py", None)


@pytest.fixture
def path(tmp_path, series):
    write_netcdf(series, tmp_path / "other.nc")
    write_netcdf(series, tmp_path / "a.nc")
    return tmp_path / "a.nc"


def spoil(path, change):
    """Change a file with h5py and make its checksum valid again."""
    content = path.read_bytes()
    path.write_bytes(content[: -checksum.SIZE])
    with h5py.File(path, "r+", libver="v108") as file:
        file.create_group("group")
        change(file, path.with_name("other.nc"))
    checksum.close(path)


@pytest.mark.parametrize("change", SPOILS)
def test_netcdf_with_links_or_bytes_of_other_files_is_refused(path, change, reader):
    spoil(path, change)
    reader()
    with pytest.raises(ForeignBytesError):
        open_netcdf(path)
    with pytest.raises(FormatError, match=r"a\.nc"):
        open_data([str(path)])


def test_netcdf_of_any_structure_of_its_own_is_read(tmp_path, series, reader):
    path = tmp_path / "a.nc"
    many = series.assign({f"label {i}": ("pattern", np.arange(24.0)) for i in range(30)})
    xr.DataTree.from_dict({"/": many, "/a/b": series, "/c": series}).to_netcdf(
        path, engine="netcdf4", encoding={"/": {"intensity": {"zlib": True}}}
    )
    reader()
    xr.testing.assert_identical(open_data([str(path)]), many)


def test_what_our_own_reader_does_not_know_needs_h5py(tmp_path, reader, series):
    with h5py.File(tmp_path / "a.h5", "w", libver="earliest") as file:
        file["intensity"] = np.ones(3)
    reader()
    if sys.modules["h5py"] is None:
        with pytest.raises(FormatError, match=r"a\.h5.*pip install"):
            open_data([str(tmp_path / "a.h5")])
    else:
        assert open_data([str(tmp_path / "a.h5")])["intensity"].shape == (3,)


@pytest.mark.parametrize("options", [{}, {"zlib": True}, {"chunksizes": (1, 100)}])
def test_a_small_file_that_announces_gigabytes_is_refused(tmp_path, options):
    path = tmp_path / "bomb.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("pattern", 4 * 10**7)
        file.createDimension("q", 100)
        file.createVariable("q", "f8", ("q",))[:] = np.arange(100)
        file.createVariable("intensity", "f8", ("pattern", "q"), fill_value=False, **options)
    assert path.stat().st_size < 10**5
    with pytest.raises(FormatError, match=r"bomb\.nc.*announces 30518 MB.*'intensity'"):
        open_data([str(path)])


def test_many_variables_that_together_announce_gigabytes_are_refused(tmp_path):
    with netCDF4.Dataset(tmp_path / "bomb.nc", "w") as file:
        file.createDimension("pattern", 10**6)
        for i in range(100):
            file.createVariable(f"v{i}", "f8", ("pattern",), zlib=True, chunksizes=(10**4,))
    with pytest.raises(FormatError, match=r"announces 763 MB"):
        open_data([str(tmp_path / "bomb.nc")])


@pytest.mark.parametrize("complevel", [1, 9])
@pytest.mark.parametrize("compression", ["zlib", "zstd", "bzip2"])
def test_zeros_that_were_written_and_packed_are_read(tmp_path, monkeypatch, compression, complevel):
    monkeypatch.setattr(storage, "ALWAYS_ANNOUNCED", 0)
    path = tmp_path / "zeros.nc"
    try:
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("pattern", 100)
            file.createDimension("q", 20_000)
            variable = file.createVariable(
                "intensity", "f8", ("pattern", "q"), compression=compression, complevel=complevel
            )
            variable[:] = 0
    except Exception as error:
        if not (isinstance(error, RuntimeError) or "MissingFeature" in type(error).__name__):
            raise
        pytest.skip(f"this netCDF library has no {compression}")
    with open_netcdf(path) as found:
        assert not found["intensity"].any()


def test_variables_that_were_not_written_yet_do_not_hinder_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "ALWAYS_ANNOUNCED", 0)
    path = tmp_path / "begun.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("pattern", None)
        file.createDimension("q", 1000)
        for name in ("intensity", "intensity_errors", "background"):
            file.createVariable(name, "f8", ("pattern", "q"))
        file["intensity"][:] = np.random.default_rng(0).random((50, 1000))
    with open_netcdf(path) as found:
        assert found["background"].shape == (50, 1000)
