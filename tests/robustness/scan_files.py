"""Files of instruments cut off, changed and stretched, and datasets as hypothesis draws them.

The files are those that the fuzzing starts from (`tests/fuzz/corpus`) and, where XRDAE_TEST_DATA
is set, real ones.
"""

from __future__ import annotations

import importlib.util
import os
import random
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from damage import damaged
from harness import Row, main, try_in_child

TESTS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TESTS / "fuzz"))

import law  # noqa: E402

FILES = "scan files cut off or changed"
HDF5 = "NeXus and netCDF4 files changed, as watched"
DATASETS = "datasets by hypothesis, through every step"
EXAMPLES = 20  # of a case
MEMORY = 2 << 30  # bytes, for reading files of at most a megabyte
LARGEST = 300_000  # bytes of a real file; stretched ones have a megabyte
_folder = tempfile.TemporaryDirectory()


def whole_files() -> list[tuple[str, Path]]:
    """Return target (see `law`) and path of each whole file."""
    ours = [(p.parent.name, p) for p in sorted(law.CORPUS.glob("*/*")) if p.parent.name != "model"]
    folder = os.environ.get("XRDAE_TEST_DATA")
    real = sorted(Path(folder, "formats").iterdir()) if folder else []
    return ours + [("real", p) for p in real if p.stat().st_size < LARGEST]


def stretched(content: bytes, seed: int) -> bytes:
    """Return bytes of which a piece is repeated up to a megabyte: squares of that would show."""
    chance = random.Random(seed)
    length = min(chance.choice((1, 2, 10, 100, 1000)), len(content))
    at = chance.randrange(len(content) - length + 1)
    piece = content[at : at + length]
    return content[:at] + piece * (2**20 // length) + content[at:]


def variant(content: bytes, seed: int) -> bytes:
    """Return bytes cut off (a third of all seeds), stretched (a fiftieth) or changed."""
    if seed % 50 == 1:
        return stretched(content, seed)
    if seed % 3 == 0:
        return content[: random.Random(seed).randrange(len(content))]
    return damaged(content, seed)


def written(case: list[Any]) -> tuple[Path, str]:
    """Write the variant of a case; return its path and what it is read as."""
    target, name, seed = case
    suffix = Path(name).suffix if target == "real" else law.SUFFIXES.get(target, ".dat")
    path = Path(_folder.name, f"a{suffix}")
    law.put(path, variant(Path(name).read_bytes(), seed), target)
    return path, target


def try_file(case: list[Any]) -> str:
    """Read a file as `open_patterns` does."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    return law.outcome(*written(case))


def try_hdf5(case: list[Any]) -> str:
    """Read a file as `xrdae watch` does: in a process that may crash."""
    import xrdae
    from xrdae.live.isolated_reading import Apart

    if not hasattr(try_hdf5, "apart"):
        try_hdf5.apart = Apart()
    try:
        return "read" if try_hdf5.apart.read(written(case)[0]) else "lost"
    except (xrdae.FormatError, OSError):
        return "refused"


def try_datasets(case: list[Any]) -> str:
    """Hold some datasets to a law of `test_any_dataset.py`."""
    import hypothesis

    path = TESTS / "laws" / "test_any_dataset.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    name, seed = case
    run = getattr(module, name)
    run._hypothesis_internal_use_settings = hypothesis.settings(
        run._hypothesis_internal_use_settings, max_examples=EXAMPLES, database=None
    )
    hypothesis.seed(seed)(run)()
    return "survived"


def rows(scale: float) -> Iterator[Row]:
    whole = whole_files()
    in_hdf5 = [f for f in whole if f[1].read_bytes().startswith(b"\x89HDF") or "nexus" in f[0]]
    others = [f for f in whole if f not in in_hdf5]
    for what, files, n in ((FILES, others, 20_000), (HDF5, in_hdf5, 2_000)):
        seeds = range(max(len(files), int(n * scale)))
        cases = [[files[s % len(files)][0], str(files[s % len(files)][1]), s] for s in seeds]
        yield try_in_child(Row(what, "input"), cases, patience=90)
    laws = (
        "test_every_step_is_finite_or_says_what_to_mend",
        "test_synthesis_is_finite_and_never_negative_or_says_what_to_mend",
        "test_estimates_are_finite_or_say_what_to_mend",
        "test_results_can_be_written_wherever_their_data_can_be",
    )
    cases = [[laws[s % 4], s] for s in range(max(1, int(40 * scale)))]
    row = try_in_child(Row(DATASETS, "input"), cases, patience=600)
    row.tried, row.survived = row.tried * EXAMPLES, row.survived * EXAMPLES
    yield row


if __name__ == "__main__":
    main(rows, {FILES: try_file, HDF5: try_hdf5, DATASETS: try_datasets})
