"""Kills a writer of live results before every step.

Run it as `python live_kills.py FOLDER EVERY`, which kills before every EVERY-th step and prints the
number of steps of each scenario. One child writes and is killed. Another child checks the store and
continues it. Each works in a fork of its own, because the threads of zarr do not survive a fork.
`try_kills.py` and `tests/live/test_results.py` use it.
"""

import json
import os
import pathlib
import shutil
import sys
import traceback

import numpy as np
import xarray as xr

from xrdae.live.results import Results
from xrdae.storage.skip_log import SkipLog

N_POINT = 5


def make_rows(*names, changed=0, **columns):
    """Return rows of results for files; the values follow from the names of the files."""
    n = len(names)
    value = np.array([float(name) for name in names]) + changed
    return xr.Dataset(
        {
            "intensity": (("pattern", "q"), value[:, None] + np.arange(N_POINT)),
            "latent": (("pattern", "latent_axis"), np.stack([value, -value], 1).astype("f4")),
            "novelty": ("pattern", value),
            "novel": ("pattern", value > 3),
            "scan": ("pattern", np.zeros(n, int)),
            "modified": ("pattern", np.full(n, 1 + changed)),
            "size": ("pattern", np.full(n, 10)),
            "coverage": ("pattern", np.ones(n)),
        },
        {
            "file": ("pattern", np.array(names)),
            "q": np.arange(N_POINT, dtype=float),
            **{name: ("pattern", np.array(values)) for name, values in columns.items()},
        },
    )


FIRST = make_rows("1", "2")
SCENARIOS = {
    "begin": (None, [FIRST]),
    "append": (FIRST, [make_rows("3", "4", "5")]),
    "append twice": (FIRST, [make_rows("3"), make_rows("4")]),
    "a new column": (
        FIRST,
        [make_rows("3", "4", temperature=[300.0, 310.0], sample=["first", "second"])],
    ),
    "a changed file": (FIRST, [make_rows("2", "3", changed=0.5)]),
}


def write(path, parts):
    """Write rows whose files were unreadable before, beside files that stay unreadable."""
    with Results(path, {}) as results:
        for part in parts:
            files = part["file"].values.tolist()
            results.skip({f"bad {files[0]}": "broken"} | dict.fromkeys(files, "half"))
            results.write(part, files)


def install_kill(step):
    """Let this process exit before a given step.

    A step renames or removes a file, or appends to the log. Before it exits in place of an append,
    the process writes half of what it would append.
    """
    count = [0]

    def wrap(function, at_end=lambda *_: None):
        def act(*arguments, **options):
            if count[0] == step:
                at_end(*arguments)
                os._exit(9)
            count[0] += 1
            return function(*arguments, **options)

        return act

    def append_half(log, changes):
        with log._path.open("ab") as file:
            file.write(b'["bad", "brok')

    for owner, name in (
        (os, "replace"), (os, "rename"), (os, "unlink"), (pathlib.Path, "replace"),
        (pathlib.Path, "unlink"),
    ):  # fmt: skip
        setattr(owner, name, wrap(getattr(owner, name)))
    SkipLog.append = wrap(SkipLog.append, append_half)


def run_in_child(work, *arguments):
    """Call a function in a forked process and return its exit code."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        work(*arguments)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def write_until_killed(path, before, parts, step):
    shutil.rmtree(path, ignore_errors=True)
    if before is not None:
        shutil.copytree(before, path)
    install_kill(step)
    write(path, parts)


def check_store(path, first, parts, undisturbed):
    """Check that all rows are complete, and that continuing gives the undisturbed store."""
    known = 0 if first is None else first.sizes["pattern"]
    if path.exists():
        with xr.open_zarr(path, chunks=None) as opened:
            stored = opened.load()
        assert stored.sizes["pattern"] >= known
        assert np.isfinite(stored["latent"]).all()
        files = stored["file"].values.tolist()
        assert sorted(set(files)) == sorted(files)
    with Results(path, {}) as results:
        for part in parts:
            stale = [
                i
                for i, (file, modified) in enumerate(
                    zip(part["file"].values.tolist(), part["modified"].values.tolist(), strict=True)
                )
                if results.files.get(file, (None,))[0] != modified
            ]
            files = part["file"].values
            assert not set(np.delete(files, stale).tolist()) & set(results.skipped)
            results.skip({f"bad {files[0]}": "broken"})
            if stale:
                results.write(part.isel(pattern=stale), files[stale].tolist())
    with xr.open_zarr(path, chunks=None) as a, xr.open_zarr(undisturbed, chunks=None) as b:
        xr.testing.assert_identical(a.load(), b.load())
    assert sorted(p.name for p in path.parent.rglob("*part*")) == []


def begin(folder, name):
    """Write two stores of a scenario: before the kill, and from an undisturbed writer."""
    first, parts = SCENARIOS[name]
    known = [] if first is None else [first]
    for store, content in (("before.zarr", known), ("undisturbed.zarr", [*known, *parts])):
        shutil.rmtree(folder / store, ignore_errors=True)
        assert run_in_child(write, folder / store, content) == 0


def kill(folder, name, step):
    """Kill a writer before a step and check the store. Return whether the writer was killed."""
    first, parts = SCENARIOS[name]
    path, before = folder / "live.zarr", folder / "before.zarr"
    start = None if first is None else before
    code = run_in_child(write_until_killed, path, start, parts, step)
    assert code in (0, 9), f"{name}: writing failed at step {step}"
    checked = run_in_child(check_store, path, first, parts, folder / "undisturbed.zarr")
    assert checked == 0, f"{name}: killed before step {step}"
    return code == 9


def compute_stride(name, every):
    """Return the number of steps between kills. It is larger for a new store of 100 files."""
    return every * (8 if SCENARIOS[name][0] is None else 1)


def main(folder, every):
    steps = {}
    for name in SCENARIOS:
        begin(folder, name)
        step = 0
        while kill(folder, name, step):
            step += compute_stride(name, every)
        steps[name] = step + compute_stride(name, every)
    print(json.dumps(steps))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
