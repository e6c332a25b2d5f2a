"""Fuzzes a reader of files, or `load_model`, guided by coverage. Needs the extra `fuzz`.

    python tests/fuzz/fuzz.py TARGET SECONDS [OPTIONS]

TARGET is a folder of `corpus`, or "all" but `BY_HAND`, as many side by side as there are cores.
OPTIONS are those of libFuzzer. What breaks the law (see `law.py`), takes 30 s, a gigabyte or more
processor time than its size allows is written to `found/TARGET/`, ends the run, and is replayed by
`test_fuzz.py` from then on. New inputs
that reach new code go to a temporary folder; `-merge=1 corpus/TARGET FOLDER` adds the useful ones.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["xrdae"]):
    import xrdae.loading.opening  # noqa: F401  (instrumented, though it is imported late)
    from law import CORPUS, FOUND, SUFFIXES, outcome, put

MOST_SECONDS, MOST_MEGABYTES = 30, 1024
# Processor time of an input: at least, and for each byte [s]. Measuring coverage takes most of it.
ALWAYS_SECONDS, SECONDS_PER_BYTE = 10.0, 100e-6
# Bytes of HDF5: its library shows no coverage, and does not come back from some. Changed files of
# this kind are read in a process apart by `tests/robustness/try_scan_files.py`.
BY_HAND = {"nexus"}


def fuzz(target: str, options: list[str]) -> None:
    """Fuzz until the options say that it is enough, or something is found."""
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{target}-"))
    path = folder / f"a{SUFFIXES.get(target, '.dat')}"

    def one(content: bytes) -> None:
        put(path, content, target)
        start = time.process_time()
        outcome(path, target)
        taken = time.process_time() - start
        if taken > ALWAYS_SECONDS + SECONDS_PER_BYTE * len(content):
            raise AssertionError(f"{len(content)} bytes took {taken:.1f} s of the processor")

    for seed in sorted((CORPUS / target).iterdir())[:1]:
        one(seed.read_bytes())  # imports what is imported when it is needed
    (FOUND / target).mkdir(parents=True, exist_ok=True)
    grown = folder / "grown"
    grown.mkdir()
    # The peak that libFuzzer looks at starts from that of the process which started this one.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    limits = [f"-timeout={MOST_SECONDS}", f"-rss_limit_mb={peak + MOST_MEGABYTES}"]
    kept = [f"-artifact_prefix={FOUND / target}{os.sep}", "-max_len=60000", "-print_final_stats=1"]
    folders = [] if any(o.startswith("-merge") for o in options) else [grown, CORPUS / target]
    print("new inputs in", grown, flush=True)
    atheris.Setup([sys.argv[0], *limits, *kept, *options, *map(str, folders)], one)
    atheris.Fuzz()


def main(target: str, seconds: str, *options: str) -> None:
    """Run the program."""
    if target != "all":
        # An allocation of what a file merely claims to hold fails, instead of being never used.
        resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
        fuzz(target, [f"-max_total_time={seconds}", *options])
        return
    targets = sorted({path.name for path in CORPUS.iterdir()} - BY_HAND)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(lambda name: run_target(name, seconds, options), targets))
    failed = [name for name, code in zip(targets, done, strict=True) if code]
    sys.exit(f"something was found in {', '.join(failed)}" if failed else 0)


def run_target(name: str, seconds: str, options: Sequence[str]) -> int:
    """Fuzz one target in a process, print what it said, and return its exit code."""
    arguments = [sys.executable, __file__, name, seconds, *options]
    done = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f"== {name}\n{done.stdout}", flush=True)
    return done.returncode


if __name__ == "__main__":
    main(*sys.argv[1:])
