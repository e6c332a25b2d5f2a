"""No file ends or stops a watch, whatever reading it does."""

import contextlib
import os
import pickle
import queue
import signal
import string
import subprocess
import sys
import threading
import time
import warnings

import h5py
import numpy as np
import pytest

import xrdae
from misbehaving_reader import MISBEHAVING
from xrdae.live import isolated_reading
from xrdae.live.isolated_reading import IsolatedReader, Stopped, find_limit
from xrdae.loading.gridding import read_scans
from xrdae.readers.read_options import ReadOptions

FOREVER = 3600  # seconds: a test that waits for it fails


@pytest.fixture
def misbehaving(monkeypatch):
    """Let the names of files decide what the child process does."""
    monkeypatch.setattr(isolated_reading, "COMMAND", [sys.executable, "-c", MISBEHAVING])


@pytest.fixture
def apart():
    with contextlib.closing(IsolatedReader()) as reader:
        yield reader


def put(path, text="10 1\n20 2\n30 5\n"):
    path.write_text(text)
    return path


def check_reads_on(reader, path):
    [scan] = reader.read(path)
    np.testing.assert_array_equal(scan.intensity, [1, 2, 5])


def test_a_file_that_crashes_the_hdf5_library_ends_no_watch(tmp_path, apart):
    good, bad = tmp_path / "good.nxs", tmp_path / "bad.nxs"
    with h5py.File(good, "w") as file:
        group = file.create_group("data")
        group.attrs.update({"NX_class": "NXdata", "signal": "I", "axes": ["q"]})
        group["I"], group["q"] = np.arange(4.0), np.arange(4.0)
        group["q"].attrs["units"] = "1/nm"
    bad.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    for _ in range(2):
        [scan] = apart.read(good)
        np.testing.assert_array_equal(scan.intensity, np.arange(4))
        with pytest.raises(xrdae.FormatError, match=r"bad\.nxs"):
            apart.read(bad)


def test_a_process_that_has_ended_is_replaced(tmp_path, apart):
    good = put(tmp_path / "good.xy")
    check_reads_on(apart, good)
    apart._child._process.kill()
    apart._child._process.wait()
    check_reads_on(apart, good)
    apart.close()
    check_reads_on(apart, good)


@pytest.mark.parametrize("name", ["crash", "fault", "missing", "words"])
def test_a_file_that_cannot_be_read_is_named_and_the_next_is_read(tmp_path, misbehaving, name):
    bad = tmp_path / f"{name}.xy"
    put(bad, "words" if name == "words" else "10 1\n20 2\n")
    if name == "missing":
        bad.unlink()
    with contextlib.closing(IsolatedReader()) as apart:
        for _ in range(2):
            with pytest.raises((xrdae.FormatError, FileNotFoundError), match=rf"{name}\.xy"):
                apart.read(bad)
            check_reads_on(apart, put(tmp_path / "good.xy"))


def test_a_file_that_takes_too_long_is_named_and_the_next_is_read(
    tmp_path, misbehaving, monkeypatch
):
    monkeypatch.setattr(isolated_reading, "find_limit", lambda size: 0.3)
    with contextlib.closing(IsolatedReader()) as apart:
        with pytest.raises(xrdae.FormatError, match=r"slow\.xy: reading it took more than 0 s"):
            apart.read(put(tmp_path / "slow.xy"))
        monkeypatch.setattr(isolated_reading, "find_limit", lambda size: FOREVER)
        check_reads_on(apart, put(tmp_path / "good.xy"))


def test_a_watch_that_ends_does_not_wait_for_a_file(tmp_path, misbehaving, monkeypatch):
    monkeypatch.setattr(isolated_reading, "find_limit", lambda size: FOREVER)
    slow, stop, outcome = put(tmp_path / "slow.xy"), threading.Event(), queue.Queue()

    def read():
        try:
            outcome.put(apart.read(slow, stop))
        except Stopped:
            outcome.put("stopped")

    with contextlib.closing(IsolatedReader()) as apart:
        check_reads_on(apart, put(tmp_path / "good.xy"))
        threading.Thread(target=read).start()
        time.sleep(0.2)
        stop.set()
        assert outcome.get(timeout=60) == "stopped"
        check_reads_on(apart, put(tmp_path / "good.xy"))


def test_the_limit_grows_with_the_size_of_the_file():
    sizes = [0, 10**4, 10**6, 10**8, 2**29]
    limits = list(map(find_limit, sizes))
    assert limits == sorted(limits)
    assert 1 < limits[0] < 20
    assert limits[-1] < 300


def test_what_libraries_print_is_no_answer(tmp_path, misbehaving):
    with contextlib.closing(IsolatedReader()) as apart:
        check_reads_on(apart, put(tmp_path / "noise.xy"))


@pytest.mark.parametrize("suffix", [".xy", ".nc"])
def test_scans_arrive_as_they_were_read(tmp_path, series, apart, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix == ".nc":
        times = np.arange(24).astype("M8[s]")
        labels = {
            "time": ("pattern", times),
            "sample": ("pattern", list(string.ascii_lowercase[:24])),
        }
        series.assign_coords(labels).to_netcdf(path)
    else:
        put(path, "# temperature 300 K\n# 2theta counts sigma\n10 1 1\n20 2 1\n30 5 2\n")
    expected, found = read_scans(path), apart.read(path)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert vars(one).keys() == vars(other).keys()
        for name, value in vars(other).items():
            np.testing.assert_equal(getattr(one, name), value)


def test_what_is_stated_about_files_is_passed_on(tmp_path, series):
    path = tmp_path / "a.nc"
    series.to_netcdf(path)
    with (
        contextlib.closing(IsolatedReader(ReadOptions(columns="xy"))) as apart,
        pytest.raises(xrdae.FormatError, match="describe tables"),
    ):
        apart.read(path)


class Command:
    """A pickle of it runs a command where it is loaded."""

    def __reduce__(self):
        return os.system, ("touch executed",)


@pytest.mark.parametrize("sent", [b"noise", b"", pickle.dumps(Command()), pickle.dumps(print)])
def test_a_process_that_a_file_has_taken_over_runs_nothing_in_the_watch(
    tmp_path, monkeypatch, sent
):
    program = (
        "import sys; from xrdae.live import isolated_reading as apart\n"
        "def take_over(*_):\n"
        f"    answers.write({sent!r}); answers.flush(); sys.exit()\n"
        "send = apart._send\n"
        "def remember(value, to):\n"
        "    global answers; answers = to; send(value, to)\n"
        "apart._send, apart.read_scans = remember, take_over\n"
        "apart.serve()"
    )
    monkeypatch.setattr(isolated_reading, "COMMAND", [sys.executable, "-c", program])
    monkeypatch.chdir(tmp_path)
    with (
        contextlib.closing(IsolatedReader()) as apart,
        pytest.raises(xrdae.FormatError, match="crashed"),
    ):
        apart.read(put(tmp_path / "a.xy"))
    assert not (tmp_path / "executed").exists()


def test_modules_in_the_current_folder_are_not_imported(tmp_path, monkeypatch, apart):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "numpy.py").write_text("open('executed', 'w')")
    check_reads_on(apart, put(tmp_path / "good.xy"))
    assert not (tmp_path / "executed").exists()


def test_a_reader_that_is_forgotten_leaves_no_process(tmp_path):
    apart = IsolatedReader()
    apart.start()
    process = apart._child._process
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del apart
    assert process.wait(timeout=60) < 0


def test_a_process_whose_watch_was_killed_ends_by_itself(tmp_path):
    program = (
        f"import sys; from xrdae.live import isolated_reading as apart\n"
        f"apart.GRACE = 0.3\n{MISBEHAVING}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    slow = str(put(tmp_path / "slow.xy"))
    pickle.dump((slow, ReadOptions(), 0.1), process.stdin)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert pickle.loads(said) == ("ready", None)


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_watch_while_a_file_is_read(run, number):
    run.model.save(run.folder.parent / "model.nc")
    run.put("a.xy", run.text(0))
    program = (
        "import sys; from xrdae.live import isolated_reading as apart\n"
        f"apart.COMMAND = [sys.executable, '-c', {MISBEHAVING!r}]\n"
        f"apart.find_limit = lambda size: {FOREVER}\n"
        "from xrdae.cli import main; main()"
    )
    words = ["watch", run.folder, "-m", run.folder.parent / "model.nc", "-o", run.out]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words), "--no-page", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert '"file": "a.xy"' in process.stdout.readline()
    run.put("slow.xy", run.text(1))
    time.sleep(0.5)
    process.send_signal(number)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert '"results": 1' in said
