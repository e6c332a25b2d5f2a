"""What is read from the bytes of a netCDF4 file is what the netCDF library reads."""

import io

import netCDF4
import numpy as np
import pytest

from xrdae.errors import FormatError
from xrdae.storage.hdf5_checksum import checksum
from xrdae.storage.hdf5_file import File
from xrdae.storage.hdf5_objects import Group


def root(content, **options):
    file = File(io.BytesIO(content), len(content), **({"checked": True} | options))
    return Group(file, file.root)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file with a group of many arrays, many, long, empty and Greek attributes."""
    path = tmp_path_factory.mktemp("hdf5") / "many.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.long = "x" * 70_000
        file.setncatts({f"number_{i}": i / 7 for i in range(300)})
        group = file.createGroup("many")
        for i in range(200):
            group.createDimension(f"dimension_{i}", 1 + i % 7)
            kind = ("f4", "f8", "i1", "u2", "i8")[i % 5]
            array = group.createVariable(f"array_{i}", kind, (f"dimension_{i}",))
            array[:] = np.arange(1 + i % 7) + i % 100
            several = np.arange(2 + i % 5, dtype="f4")
            array.setncatts({"units": "Å", "long_name": "", "several": several})
        group.createVariable("scalar", "f8")[...] = 1.5
    return path


def test_arrays_and_attributes_are_those_that_the_library_reads(written):
    found = root(written.read_bytes())
    with netCDF4.Dataset(written) as file:
        file.set_auto_mask(False)
        assert found.attrs == {name: file.getncattr(name) for name in file.ncattrs()}
        group = found.group("many")
        assert len(file["many"].variables) == 201
        for name, variable in file["many"].variables.items():
            array = group.array(name)
            np.testing.assert_array_equal(array.values, variable[...])
            assert array.values.dtype == variable.dtype.newbyteorder("=")
            for attr in variable.ncattrs():
                np.testing.assert_array_equal(array.attrs[attr], variable.getncattr(attr))


def test_missing_names_are_refused_with_a_list(written):
    names = set(root(written.read_bytes()).group("many"))
    assert {"array_0", "array_199", "dimension_3", "scalar"} <= names


def test_a_checksum_that_does_not_fit_is_an_error_only_where_it_is_compared(written):
    content = bytearray(written.read_bytes())
    content[content.index(b"several")] ^= 7
    with pytest.raises(FormatError, match="checksum"):
        _ = root(bytes(content)).group("many").array("array_0").attrs
    changed = root(bytes(content), checked=False)
    assert "teveral" in changed.group("many").array("array_0").attrs


def test_structures_in_a_circle_come_to_an_end(written):
    content = bytearray(written.read_bytes())
    start = content.index(b"OHDR")
    at = content.index(b"\x10\x10\x00", start)  # a continuation of 16 bytes ...
    position = at + 4 + (2 if content[start + 5] & 4 else 0)
    chunk = int.from_bytes(content[position : position + 8], "little")
    inner = content.find(b"\x10\x10\x00", chunk)
    if inner > 0:
        content[inner + 4 : inner + 20] = content[position : position + 16]  # ... of itself
    with pytest.raises(FormatError):
        _ = root(bytes(content), checked=False).group("many").group("none")


@pytest.mark.parametrize(
    ("content", "expected"),
    [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)],
)
def test_the_checksum_is_that_of_lookup3(content, expected):
    assert checksum(content) == expected
