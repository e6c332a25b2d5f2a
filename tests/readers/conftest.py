import pytest

from linked_files import write_numbers


@pytest.fixture
def folder(tmp_path):
    """Return the folder of the master file. A folder beside it has other files."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


@pytest.fixture
def outside(folder):
    """Return an HDF5 file in another folder than that of the master file."""
    return write_numbers(folder.parent / "outside" / "d.h5")
