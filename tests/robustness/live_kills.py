"""Kills a writer of live results before every single step that it takes; see test_live_results.

Run as a program: python live_kills.py FOLDER EVERY, which kills before every so manieth step. It
forks, for zarr's threads do not outlive a fork: one child writes and is killed, the next looks at
what is left and goes on.
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

N_POINT = 5


def rows(*names, changed=0, **columns):
    """Rows of files whose numbers follow from their names."""
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


FIRST = rows("1", "2")
SCENARIOS = {
    "begin": (None, [FIRST]),
    "append": (FIRST, [rows("3", "4", "5")]),
    "append twice": (FIRST, [rows("3"), rows("4")]),
    "a new column": (
        FIRST,
        [rows("3", "4", temperature=[300.0, 310.0], sample=["first", "second"])],
    ),
    "a changed file": (FIRST, [rows("2", "3", changed=0.5)]),
}


def write(path, parts):
    with Results(path, {}) as results:
        for part in parts:
            results.write(part, {"bad": "broken"})


def killing(step):
    """Exit, as if killed, before the given renaming of a file; every write ends in one."""
    count = [0]

    def counted(function):
        def renaming(*arguments, **options):
            if count[0] == step:
                os._exit(9)
            count[0] += 1
            return function(*arguments, **options)

        return renaming

    for owner, name in ((os, "replace"), (os, "rename"), (pathlib.Path, "replace")):
        setattr(owner, name, counted(getattr(owner, name)))


def in_child(work, *arguments):
    """Return the exit code of a forked process that does the work."""
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


def attempt(path, before, parts, step):
    shutil.rmtree(path, ignore_errors=True)
    if before is not None:
        shutil.copytree(before, path)
    killing(step)
    write(path, parts)


def check(path, first, parts, undisturbed):
    """What is left are whole rows; going on gives what an undisturbed writer gives."""
    known = 0 if first is None else first.sizes["pattern"]
    if path.exists():
        with xr.open_zarr(path, chunks=None) as left:
            left = left.load()
        assert left.sizes["pattern"] >= known
        assert np.isfinite(left["latent"]).all()
        assert sorted(set(left["file"].values.tolist())) == sorted(left["file"].values.tolist())
    with Results(path, {}) as results:
        for part in parts:
            stale = [
                i
                for i, (file, modified) in enumerate(
                    zip(part["file"].values.tolist(), part["modified"].values.tolist(), strict=True)
                )
                if results.files.get(file, (None,))[0] != modified
            ]
            if stale:
                results.write(part.isel(pattern=stale), {"bad": "broken"})
    with xr.open_zarr(path, chunks=None) as a, xr.open_zarr(undisturbed, chunks=None) as b:
        xr.testing.assert_identical(a.load(), b.load())
    assert sorted(p.name for p in path.parent.rglob("*part*")) == []


def begin(folder, name):
    """Write the scenario's stores: as it is before, and as an undisturbed writer leaves it."""
    first, parts = SCENARIOS[name]
    known = [] if first is None else [first]
    for store, content in (("before.zarr", known), ("undisturbed.zarr", [*known, *parts])):
        shutil.rmtree(folder / store, ignore_errors=True)
        assert in_child(write, folder / store, content) == 0


def kill(folder, name, step):
    """Kill a writer before a step, look at what is left, and go on; tell if it came that far."""
    first, parts = SCENARIOS[name]
    path, before = folder / "live.zarr", folder / "before.zarr"
    code = in_child(attempt, path, None if first is None else before, parts, step)
    assert code in (0, 9), f"{name}: writing failed at step {step}"
    left = in_child(check, path, first, parts, folder / "undisturbed.zarr")
    assert left == 0, f"{name}: killed before step {step}"
    return code == 9


def stride(name, every):
    """Return how many steps to go on by: a store begins with a hundred files."""
    return every * (8 if SCENARIOS[name][0] is None else 1)


def main(folder, every):
    found = {}
    for name in SCENARIOS:
        begin(folder, name)
        step = 0
        while kill(folder, name, step):
            step += stride(name, every)
        found[name] = step + stride(name, every)
    print(json.dumps(found))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), int(sys.argv[2]))
