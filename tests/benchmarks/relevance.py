"""Does relevance tell which regions matter? Simulated series whose truth is known, and real ones.

Run `python tests/benchmarks/relevance.py`. A series takes about ten seconds, and each structure and
seed has 19 of them. The options are:

- `--structures NAME ...` and `--seeds N` (5): the structures (default: six, cubic to triclinic) and
  the number of seeds.
- `--kept`: the two structures that nobody looks at while choosing a method.
- `--quick`: one structure, one seed, eight of the 19 cases.
- `--record FILE`: append the figures of each series to a file of JSON lines. Series that the file
  has are not repeated, so that a run may be continued, or shared between processes.
- `--parts series batio3 cost memory`: what to run (default: all).

The series and their truth are in `relevance_series.py`, the other measures in
`relevance_baselines.py`. Figures are medians over structures and seeds, with the worst in brackets.
Shares are pooled, with that of the worst structure in brackets. "Peaks" are all lines of the
expected patterns, overlapping ones merged. "Windows" are one degree wide.

- Spearman: rank correlation of a measure with the norm of the derivative T_r.
- latent: `relevance` (mean over the patterns) with `fill="conditional"`. change: `region_change`.
  label: `x_change`. today: `relevance` with the background mask and `scale="max"`. The others are
  described in `relevance_baselines.py`.
- strong irrelevant peaks: strength of 20 % of the strongest peak's or more, ratio below 0.1. The
  single peak of nuisance C is left out: it varies alone. Lines of the impurity count.
- above-average regions: peaks and windows with a ratio of at least 1.
- weak relevant peaks: strength below 20 % of the strongest peak's, ratio of at least 1, signal of
  at least 10.
- where nothing matters: peaks and windows of the variant "nothing". Regions that a nuisance moves
  together with others are left out in the latent form: they do change together.
- p-values: those of x where nothing matters, and those of y (random) in all series.
- BaTiO3: the pseudocubic reflections of the real series in the folder that XRDAE_TEST_DATA names.
  200, 310 and 400 split below 400 K; 111 and 110 hardly do.
- cost: 150 patterns of 4000 points, 100 windows, one core. memory: 10 000 patterns of 2000 points.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from scipy.stats import spearmanr

import xrdae
from relevance_baselines import HAS_CAPTUM, measure_baselines
from relevance_lines import Structure
from relevance_series import KEPT, NUISANCES, STRUCTURES, VARIANTS, Series, Truth, make_series
from xrdae.simulate import alloy_series

Array = np.ndarray

FIT = {"scale": "steady", "members": 4, "progress": False}
TODAY = {"scale": "max", "members": 4, "progress": False}
CASES = (
    *((variant, nuisance) for variant in VARIANTS for nuisance in NUISANCES),
    *(("nothing", "A"), ("nothing", "C"), ("alike", "none"), ("unsteady", "none")),
)
QUICK = tuple(case for case in CASES if case[1] in ("A", "C"))
COMPARED = ("A", "C")  # nuisances with the slow measures: captum's and today's
STRONG, IRRELEVANT, SIGNAL = 0.2, 0.1, 10.0
METHODS = (
    *("latent", "change", "label", "today", "std, plain", "std, best"),
    *("gradients", "Shapley", "PLS", "forest", "regression"),
)
NEW = "label" in inspect.signature(xrdae.Model.relevance).parameters
BATIO3 = {"200": 4, "310": 10, "400": 16, "111": 3, "110": 2}  # h^2 + k^2 + l^2
CELL = 4.012  # angstrom, pseudocubic


def fit_model(dataset: xr.Dataset, settings: dict) -> tuple[xrdae.Model, bool]:
    """Return the model, and whether a warning said that no peak is steady."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = dataset.xrdae.fit(**settings)
    return model, any("no peak is steady for certain" in str(one.message) for one in caught)


def measure_series(structure: Structure, seed: int, variant: str, nuisance: str) -> dict:
    """Return the figures of one series, ready for JSON."""
    start = time.perf_counter()
    series = make_series(structure, variant, nuisance, seed)
    model, warned = fit_model(series.dataset, FIT)
    row = {
        "structure": structure.name,
        "seed": seed,
        "variant": variant,
        "nuisance": nuisance,
        "warned": warned,
        "steady": series.count_steady_peaks(),
        "spearman": {},
        "counts": {},
    }
    measures: dict[str, dict[str, Array]] = {"peaks": {}, "windows": {}}
    compared = variant in VARIANTS and nuisance in COMPARED
    if variant in VARIANTS:
        measures = measure_baselines(series, model, slow=compared)
    if compared:
        today, _ = fit_model(series.dataset, TODAY)
        for kind, bounds in regions_of(series):
            out = series.dataset.xrdae.relevance(today, regions=bounds, fill="background")
            measures[kind]["today"] = out["relevance"].mean("pattern").values
    counts = row["counts"]
    for kind, bounds in regions_of(series):
        truth = series.measure(bounds)
        if NEW:
            out = series.dataset.xrdae.relevance(
                model, regions=bounds, fill="conditional", label=["x", "y"]
            )
            measures[kind]["latent"] = out["relevance"].mean("pattern").values
            measures[kind]["change"] = out["region_change"].values
            measures[kind]["label"] = out["x_change"].values
            for form, name in (("latent", "relevance_verdict"), ("label", "x_verdict")):
                for key, pair in count_verdicts(kind, variant, form, truth, out[name].values):
                    add(counts, key, pair)
            for label in ("x", "y") if variant == "nothing" else ("y",):
                p = out[f"{label}_pvalue"].values
                p = p[np.isfinite(p)]
                add(counts, f"p {label}", (int((p < 0.05).sum()), len(p)))
        if variant in VARIANTS:
            row["spearman"][kind] = {
                name: correlate(values, truth.change) for name, values in measures[kind].items()
            }
    row["seconds"] = time.perf_counter() - start
    return row


def regions_of(series: Series) -> tuple[tuple[str, Array], ...]:
    return ("peaks", series.peaks), ("windows", series.windows)


def correlate(values: Array, truth: Array) -> float:
    """Return Spearman's correlation; 0 if a measure is the same in all regions."""
    return float(spearmanr(values, truth)[0]) if np.ptp(values) > 0 else 0.0


def add(counts: dict[str, list[int]], key: str, pair: tuple[int, int]) -> None:
    hits, total = counts.get(key, (0, 0))
    counts[key] = [hits + pair[0], total + pair[1]]


def count_verdicts(
    kind: str, variant: str, form: str, truth: Truth, verdict: Array
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield names and (regions with that verdict, all such regions)."""

    def count(which: Array, called: int) -> tuple[int, int]:
        return int((verdict[which] == called).sum()), int(which.sum())

    if variant == "nothing":
        which = ~truth.coherent if form == "latent" else np.ones_like(truth.coherent)
        yield f"{form} relevant, nothing", count(which, 1)
    if variant not in VARIANTS:
        return
    yield f"{form} irrelevant, above", count(truth.ratio >= 1, -1)
    if kind == "peaks":
        strong = truth.strength >= STRONG * truth.strength.max()
        irrelevant = strong & (truth.ratio < IRRELEVANT) & ~truth.alone
        yield f"{form} irrelevant, strong", count(irrelevant, -1)
        yield f"{form} irrelevant, standard", count(irrelevant & truth.standard, -1)
        weak = ~strong & (truth.ratio >= 1) & (truth.signal >= SIGNAL)
        yield f"{form} relevant, weak", count(weak, 1)
        yield f"{form} alone, single peak", count(truth.alone, 2)


def run_series(
    structures: Iterable[Structure], seeds: int, cases: tuple, record: Path | None
) -> list[dict]:
    """Measure all series that `record` has not, and return the rows of all."""
    rows = []
    if record is not None and record.exists():
        rows = [json.loads(line) for line in record.read_text().splitlines()]
    keys = ("structure", "seed", "variant", "nuisance")
    done = {tuple(row[key] for key in keys) for row in rows}
    wanted = [(s, k, *case) for s in structures for k in range(seeds) for case in cases]
    for number, (structure, seed, variant, nuisance) in enumerate(wanted, 1):
        if (structure.name, seed, variant, nuisance) in done:
            continue
        row = measure_series(structure, seed, variant, nuisance)
        rows.append(row)
        if record is not None:
            with record.open("a") as file:
                file.write(json.dumps(row) + "\n")
        print(
            f"{number} of {len(wanted)}: {structure.name}, seed {seed}, {variant}, {nuisance}: "
            f"{row['seconds']:.1f} s",
            file=sys.stderr,
            flush=True,
        )
    return rows


def print_correlations(rows: list[dict]) -> None:
    names = [
        name
        for name in METHODS
        if any(name in found for row in rows for found in row["spearman"].values())
    ]
    print("\nSpearman with the truth, median (worst)\n")
    print("| series | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for nuisance in NUISANCES:
        for kind in ("peaks", "windows"):
            of_all = [row for row in rows if row["nuisance"] == nuisance]
            for variant in (*VARIANTS, "all"):
                some = [
                    row["spearman"][kind]
                    for row in of_all
                    if row["variant"] in VARIANTS and variant in (row["variant"], "all")
                ]
                cells = [summarize([one[name] for one in some if name in one]) for name in names]
                if any(cells):
                    print(f"| {nuisance}, {variant}, {kind} | " + " | ".join(cells) + " |")


def summarize(values: list[float]) -> str:
    return f"{np.median(values):.2f} ({min(values):.2f})" if values else ""


def print_verdicts(rows: list[dict]) -> None:
    print("\nVerdicts\n\n| figure | latent form | label form |\n|---|---|---|")
    figures: list[tuple[str, str, tuple[str, ...], bool]] = [
        (f"strong irrelevant peaks called irrelevant, {n}", "irrelevant, strong", (n,), True)
        for n in NUISANCES
    ]
    figures.append(("of these, the standard's", "irrelevant, standard", NUISANCES, True))
    for n in (("A", "C", "low"), ("impurity", "orientation")):
        where = ", ".join(n)
        figures += [
            (f"above-average regions called irrelevant, {where}", "irrelevant, above", n, False),
            (f"weak relevant peaks called relevant, {where}", "relevant, weak", n, True),
        ]
    figures += [
        ("single peak called varying alone, C", "alone, single peak", ("C",), True),
        ("called relevant where nothing matters", "relevant, nothing", ("A", "C"), False),
    ]
    for title, key, nuisances, high in figures:
        some = [row for row in rows if row["nuisance"] in nuisances]
        cells = [pool(some, f"{form} {key}", high=high) for form in ("latent", "label")]
        if any(cells):
            print(f"| {title} | " + " | ".join(cells) + " |")
    for label, where in (("x", "nothing matters"), ("y", "all series")):
        cell = pool(rows, f"p {label}", high=False)
        if cell:
            print(f"| p-values of {label} below .05, {where} | | {cell} |")
    print("\n| scale | warned |\n|---|---|")
    titles: dict[str, Callable[[dict], bool]] = {
        "unsteady: each line changes by its own factor": lambda r: r["variant"] == "unsteady",
        "alike: all lines change by one factor": lambda r: r["variant"] == "alike",
        "A, at least 4 steady peaks": lambda r: r["nuisance"] == "A" and r["steady"] >= 4,
        "A, fewer steady peaks": lambda r: r["nuisance"] == "A" and r["steady"] < 4,
    }
    for title, holds in titles.items():
        some = [row["warned"] for row in rows if holds(row)]
        if some:
            print(f"| {title} | {sum(some)} of {len(some)} |")


def pool(rows: list[dict], key: str, *, high: bool) -> str:
    """Return the pooled share, and in brackets that of the worst structure (`high`: the lowest)."""
    by_structure: dict[str, list[int]] = {}
    for row in rows:
        if key in row["counts"]:
            add(by_structure, row["structure"], tuple(row["counts"][key]))
    pairs = [pair for pair in by_structure.values() if pair[1]]
    if not pairs:
        return ""
    hits, total = (sum(column) for column in zip(*pairs, strict=True))
    shares = [pair[0] / pair[1] for pair in pairs]
    worst = min(shares) if high else max(shares)
    return f"{hits} of {total}: {hits / total:.1%} ({worst:.1%})"


def print_batio3() -> None:
    folder = os.environ.get("XRDAE_TEST_DATA")
    if folder is None:
        print("\nBaTiO3: set XRDAE_TEST_DATA to a folder with batio3_temperature.nc")
        return
    series = xr.load_dataset(Path(folder) / "batio3_temperature.nc")
    sine = np.sqrt(np.array(list(BATIO3.values()))) * series.attrs["wavelength_angstrom"] / 2 / CELL
    center = 2 * np.degrees(np.arcsin(sine))
    bounds = np.stack([0.985 * center, 1.015 * center], axis=1)
    model, _ = fit_model(series, FIT)
    today, _ = fit_model(series, TODAY)
    old = series.xrdae.relevance(today, regions=bounds, fill="background")
    excess = old["relevance_excess"]
    columns = {
        "excess, today": excess.mean("pattern").values if excess.ndim == 2 else excess.values
    }
    counts = series["intensity"].values
    spread = (counts / model.support.scale[:, None]).std(axis=0)
    mean, axis = counts.mean(axis=0), series["two_theta"].values
    parts = [slice(*np.searchsorted(axis, pair)) for pair in bounds]
    columns["std over strength"] = np.array(
        [np.linalg.norm(spread[p]) / np.linalg.norm(mean[p] - mean[p].min()) for p in parts]
    )
    if NEW:
        out = series.xrdae.relevance(model, regions=bounds, fill="conditional", label="temperature")
        columns |= {
            name: out[name].values
            for name in ("relevance_excess", "relevance_significance", "relevance_verdict",
                         "temperature_change", "temperature_pvalue", "temperature_verdict")
        }  # fmt: skip
    print("\nBaTiO3\n\n| hkl | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 1) + "|")
    for k, hkl in enumerate(BATIO3):
        print(f"| {hkl} | " + " | ".join(f"{values[k]:.3g}" for values in columns.values()) + " |")


def print_cost() -> None:
    """Print the seconds of a whole result by each fill, the best of three."""
    torch.set_num_threads(1)
    grid = alloy_series(two_theta=np.linspace(20, 100, 4000))
    series = grid.isel(pattern=np.linspace(0, grid.sizes["pattern"] - 1, 150).astype(int))
    model = series.xrdae.fit(**FIT)
    edges = np.linspace(20, 100, 101)
    bounds = np.stack([edges[:-1], edges[1:]], axis=1)
    calls = {"background": {"fill": "background"}}
    if NEW:
        calls["conditional"] = {"fill": "conditional"}
        calls["conditional, with a label"] = {"fill": "conditional", "label": "ti"}
    print("\nCost, 150 x 4000, 100 windows\n\n| fill | seconds | over background |\n|---|---|---|")
    first = None
    for name, arguments in calls.items():
        seconds = min(
            time_call(lambda a=arguments: series.xrdae.relevance(model, regions=bounds, **a))
            for _ in range(4)
        )
        first = first or seconds
        print(f"| {name} | {seconds:.3f} | {seconds / first:.1f} |")


def time_call(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def use_memory() -> None:
    """Print the largest resident memory of this process, with 10 000 patterns of 2000 points."""
    rng = np.random.default_rng(0)
    grid = alloy_series(two_theta=np.linspace(20, 80, 2000), noise=False)
    few = grid.isel(pattern=np.linspace(0, grid.sizes["pattern"] - 1, 100).astype(int))
    chosen = few.isel(pattern=rng.integers(100, size=10_000))
    counts = chosen["intensity"].values.astype(np.float32)
    for start in range(0, len(counts), 500):
        counts[start : start + 500] = rng.poisson(counts[start : start + 500])
    series = chosen.assign(intensity=(("pattern", "two_theta"), counts))
    model = series.isel(pattern=slice(None, None, 20)).xrdae.fit(**FIT)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    arguments = {"fill": "conditional", "label": "ti"} if NEW else {"fill": "background"}
    seconds = time_call(lambda: series.xrdae.relevance(model, regions=1.0, **arguments))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    fill = arguments["fill"]
    print(f"\nMemory, 10 000 x 2000, windows of 1 degree sliding by half, {fill}: largest "
          f"{after:.2f} GB, {before:.2f} GB before; {seconds:.1f} s")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--structures", nargs="+", choices=[s.name for s in (*STRUCTURES, *KEPT)])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--record", type=Path)
    parts = ("series", "batio3", "cost", "memory")
    parser.add_argument("--parts", nargs="+", choices=(*parts, "memory-step"), default=parts)
    options = parser.parse_args()
    if options.parts == ["memory-step"]:
        use_memory()
        return
    structures = KEPT if options.kept else STRUCTURES
    if options.structures:
        structures = [s for s in (*STRUCTURES, *KEPT) if s.name in options.structures]
    if not NEW:
        print("this xrdae has no conditional relevance: its columns are left out", file=sys.stderr)
    if not HAS_CAPTUM:
        print("captum is not installed: its columns are left out", file=sys.stderr)
    if "series" in options.parts:
        seeds = 1 if options.quick else options.seeds
        chosen = structures[:1] if options.quick else structures
        rows = run_series(chosen, seeds, QUICK if options.quick else CASES, options.record)
        print_correlations(rows)
        print_verdicts(rows)
    if "batio3" in options.parts:
        print_batio3()
    if "cost" in options.parts:
        print_cost()
    if "memory" in options.parts:
        sys.stdout.flush()
        subprocess.run([sys.executable, __file__, "--parts", "memory-step"], check=True)


if __name__ == "__main__":
    main()
