"""Program: files of instruments that are cut off, damaged or stretched, and random datasets.

The files are the corpus of the fuzzing (`tests/fuzz/corpus`), and the measured files in the folder
that XRDAE_TEST_DATA names. hypothesis draws the datasets.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from damage import damage_file
from harness import TESTS, Row, main, try_in_child
from law import CORPUS, SUFFIXES, outcome, put

FILES = "scan files cut off or changed"
HDF5 = "NeXus and netCDF4 files changed, as watched"
DATASETS = "datasets by hypothesis, through every step"
EXAMPLES = 20  # datasets of a case
LAWS = (
    "test_every_step_is_finite_or_the_error_tells_what_to_do",
    "test_synthesis_is_finite_and_negative_only_if_the_data_are",
    "test_estimates_are_finite_or_the_error_tells_what_to_do",
    "test_results_can_be_written_wherever_their_data_can_be",
)
MEMORY = 2 << 30  # limit for reading files of at most a megabyte [B]
LARGEST = 300_000  # size limit of measured files [B]; stretched files have a megabyte
_folder = tempfile.TemporaryDirectory()


def list_files() -> list[tuple[str, Path]]:
    """Return the format (a target of `law`) and the path of each undamaged file."""
    corpus = [p for p in sorted(CORPUS.glob("*/*")) if p.parent.name != "model"]
    folder = os.environ.get("XRDAE_TEST_DATA")
    measured = sorted(Path(folder, "formats").iterdir()) if folder else []
    return [(p.parent.name, p) for p in corpus] + [
        ("real", p) for p in measured if p.stat().st_size < LARGEST
    ]


def write_file(case: list[Any]) -> tuple[Path, str]:
    """Write the damaged file of a case; return its path and its format."""
    target, name, seed = case
    suffix = Path(name).suffix if target == "real" else SUFFIXES.get(target, ".dat")
    path = Path(_folder.name, f"a{suffix}")
    put(path, damage_file(Path(name).read_bytes(), seed), target)
    return path, target


def try_file(case: list[Any]) -> str:
    """Read a file like `open_patterns`."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    return outcome(*write_file(case))


def try_hdf5(case: list[Any]) -> str:
    """Read a file like `xrdae watch`, in a process that may crash."""
    import xrdae
    from xrdae.live.isolated_reading import IsolatedReader

    if not hasattr(try_hdf5, "apart"):
        try_hdf5.apart = IsolatedReader()
    try:
        return "read" if try_hdf5.apart.read(write_file(case)[0]) else "lost"
    except (xrdae.FormatError, OSError):
        return "refused"


def load_laws() -> dict[str, Any]:
    """Return the laws of `test_any_dataset.py` by name."""
    path = TESTS / "laws" / "test_any_dataset.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: getattr(module, name) for name in LAWS}


def try_datasets(case: list[Any]) -> str:
    """Check a law on random datasets."""
    import hypothesis

    name, seed = case
    run = load_laws()[name]
    run._hypothesis_internal_use_settings = hypothesis.settings(
        run._hypothesis_internal_use_settings, max_examples=EXAMPLES, database=None
    )
    hypothesis.seed(seed)(run)()
    return "survived"


def try_rows(scale: float) -> Iterator[Row]:
    files = list_files()
    hdf5 = [f for f in files if f[1].read_bytes().startswith(b"\x89HDF") or "nexus" in f[0]]
    others = [f for f in files if f not in hdf5]
    for what, files, n in ((FILES, others, 20_000), (HDF5, hdf5, 2_000)):
        seeds = range(max(len(files), int(n * scale)))
        cases = [[files[s % len(files)][0], str(files[s % len(files)][1]), s] for s in seeds]
        yield try_in_child(Row(what, "input"), cases, patience=90)
    cases = [[LAWS[s % len(LAWS)], s] for s in range(max(1, int(40 * scale)))]
    row = try_in_child(Row(DATASETS, "input"), cases, patience=600)
    row.tried, row.survived = row.tried * EXAMPLES, row.survived * EXAMPLES
    yield row


if __name__ == "__main__":
    main(try_rows, {FILES: try_file, HDF5: try_hdf5, DATASETS: try_datasets})
