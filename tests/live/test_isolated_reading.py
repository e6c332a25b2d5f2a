"""A crash or hang of the HDF5 library does not end a watch."""

import contextlib
import pickle
import subprocess
import sys

import h5py
import numpy as np
import pytest

import xrdae
from xrdae.live.isolated_reading import IsolatedReader


def test_a_file_that_crashes_the_hdf5_library_ends_no_watch(tmp_path):
    good, bad = tmp_path / "good.nxs", tmp_path / "bad.nxs"
    with h5py.File(good, "w") as file:
        group = file.create_group("data")
        group.attrs.update({"NX_class": "NXdata", "signal": "I", "axes": ["q"]})
        group["I"], group["q"] = np.arange(4.0), np.arange(4.0)
        group["q"].attrs["units"] = "1/nm"
    bad.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with contextlib.closing(IsolatedReader()) as apart:
        for _ in range(2):
            [scan] = apart.read(good)
            np.testing.assert_array_equal(scan.intensity, np.arange(4))
            with pytest.raises(xrdae.FormatError, match=r"bad\.nxs"):
                apart.read(bad)
        apart._child.kill()  # as a crash does
        with pytest.raises(xrdae.FormatError, match="crashed the HDF5 library"):
            apart.read(good)
        assert len(apart.read(good)) == 1


def test_reading_that_does_not_come_back_is_ended(tmp_path):
    code = (
        "import sys, time; from xrdae.live import apart\n"
        "apart.MOST_SECONDS, apart.read_scans = 0.5, lambda path: time.sleep(60)\n"
        "apart.serve()"
    )
    asked = pickle.dumps(str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], input=asked, capture_output=True)
    assert (done.returncode, done.stdout) == (1, b"")
