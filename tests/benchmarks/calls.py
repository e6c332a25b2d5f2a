"""Count how often a step of xrdae moves from one source file of the package to another.

Run `python tests/benchmarks/calls.py [--json] [--edges STEP]`. The script fits 30 patterns of 400
channels, encodes them, computes relevance, and synthesizes. It follows every call of a Python
function. A call counts if its file differs from that of the calling function. Functions of torch,
xarray and pluggy in between are skipped. Code that runs at import, and generators that continue, do
not count.

The columns for each step are:

- `calls`: calls from file to file;
- `moves`: the same, with consecutive equal pairs of files counted once;
- `edges`: different pairs of functions, which a reader has to follow;
- `files`: different files in which a function ran.

Every step runs once before it is counted, on other patterns, so that imports and first uses do not
count. The script calls only public methods, so it also runs on earlier states of the package:
`PYTHONPATH=OTHER/plugin:OTHER/adapters python tests/benchmarks/calls.py`.
"""

from __future__ import annotations

import argparse
import inspect
import json
import opcode
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import xarray as xr

import xrdae

PACKAGE = str(Path(xrdae.__file__).parent) + "/"
SETTINGS = {"members": 2, "steps": 20, "patience": 20, "device": "cpu"}
RESUME = opcode.opmap["RESUME"]  # with argument 0 where a function starts

Place = tuple[str, str]  # (file, function)


class Trace:
    """Calls between files of the package while it is entered as a context."""

    def __init__(self) -> None:
        self.calls: list[tuple[Place, Place]] = []
        self.files: set[str] = set()

    def __enter__(self) -> Trace:
        sys.setprofile(self._follow)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _follow(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or not _is_counted(code) or _goes_on(frame):
            return
        callee = _place(code)
        self.files.add(callee[0])
        above = frame.f_back
        while above is not None and not above.f_code.co_filename.startswith(PACKAGE):
            above = above.f_back
        if above is not None and above.f_code.co_filename != code.co_filename:
            self.calls.append((_place(above.f_code), callee))

    def summary(self) -> dict[str, int]:
        """Return the counts that the module's docstring lists."""
        pairs = [(a[0], b[0]) for a, b in self.calls]
        moves = sum(pair != before for pair, before in zip(pairs, [None, *pairs], strict=False))
        return {
            "calls": len(pairs),
            "moves": moves,
            "edges": len(set(self.calls)),
            "files": len(self.files),
        }


def _is_counted(code: CodeType) -> bool:
    """Return whether this is a function of the package, not the body of a module or a class."""
    return code.co_filename.startswith(PACKAGE) and bool(code.co_flags & inspect.CO_NEWLOCALS)


def _goes_on(frame: FrameType) -> bool:
    """Return whether a generator goes on after a yield."""
    if not frame.f_code.co_flags & inspect.CO_GENERATOR:
        return False
    code, at = frame.f_code.co_code, max(frame.f_lasti, 0)
    return code[at] == RESUME and code[at + 1] & 3 != 0


def _place(code: CodeType) -> Place:
    # Lambdas and comprehensions belong to the function that holds them.
    parts = getattr(code, "co_qualname", code.co_name).split(".")
    named = [part for part in parts if not part.startswith("<")]
    return code.co_filename.removeprefix(PACKAGE), ".".join(named)


def make_series(patterns: int, seed: int) -> xr.Dataset:
    """Return patterns of 400 channels with six peaks that shift and fade with the label `x`."""
    rng = np.random.default_rng(seed)
    two_theta, x = np.linspace(20, 80, 400), np.linspace(0, 1, patterns)
    intensity = np.full((patterns, 400), 20.0)
    for i, centre in enumerate((27, 34, 41, 52, 63, 71)):
        height = 1000 / (1 + i) * (1 - 0.5 * x if i % 2 else 0.5 + 0.5 * x)
        offset = two_theta - (centre + 0.4 * x)[:, None]
        intensity += height[:, None] * np.exp(-0.5 * (offset / 0.4) ** 2)
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), rng.poisson(intensity), {"units": "counts"})},
        coords={
            "two_theta": ("two_theta", two_theta, {"units": "degree"}),
            "wavelength": ((), 1.5406, {"units": "angstrom"}),
            "x": ("pattern", x),
        },
    )


def list_steps(ds: xr.Dataset, model: Any) -> dict[str, Callable[[], Any]]:
    """Return the calls that are counted, by name; `model` is None before the fit."""
    return {
        "fit": lambda: ds.xrdae.fit(progress=False, **SETTINGS),
        "encode": lambda: ds.xrdae.encode(model),
        "relevance": lambda: ds.xrdae.relevance(model),
        "synthesize": lambda: ds.xrdae.synthesize(model, at={"x": [0.25, 0.5]}),
    }


def count() -> dict[str, Trace]:
    """Run every step, first uncounted, and return its trace."""
    traces = {}
    first, counted = make_series(20, seed=1), make_series(30, seed=0)
    warm = first.xrdae.fit(progress=False, **SETTINGS)
    for name, call in list_steps(first, warm).items():
        if name != "fit":
            call()
    model = None
    for name in list_steps(counted, model):
        with Trace() as trace:
            result = list_steps(counted, model)[name]()
        traces[name] = trace
        model = model or result
    return traces


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument(
        "--edges", metavar="STEP", help="also list the edges of fit, encode, relevance, synthesize"
    )
    arguments = parser.parse_args()
    traces = count()
    summaries = {name: trace.summary() for name, trace in traces.items()}
    if arguments.json:
        print(json.dumps(summaries, indent=1))
    else:
        print(f"{'step':12}" + "".join(f"{key:>8}" for key in summaries["fit"]))
        for name, summary in summaries.items():
            print(f"{name:12}" + "".join(f"{value:8}" for value in summary.values()))
    if arguments.edges:
        for (a, b), n in Counter(traces[arguments.edges].calls).most_common():
            print(f"{n:6}  {a[0]}:{a[1]}  ->  {b[0]}:{b[1]}")


if __name__ == "__main__":
    main()
