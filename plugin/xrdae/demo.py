"""The main job on an embedded default: simulate, fit, encode, relevance, synthesize, measure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from xrdae.convention.categories import find_category_names
from xrdae.loading.sources import write_netcdf
from xrdae.model import Model
from xrdae.preprocessing.peaks import CONTRARY, find_contrary_regions, measure_strengths
from xrdae.preprocessing.subsets import choose_evenly
from xrdae.simulate import alloy_series

IRON = 0.15  # weight fraction of alpha-iron, whose strong peaks do not depend on the composition
HELD_OUT = 30  # of the 150 patterns: training does not see them
PAIRS = 60  # neighbours in composition between which patterns are synthesized


def run(folder: Path, *, progress: bool | None = None) -> list[tuple[str, str]]:
    """Run the demo and write its results to a folder.

    Writes `results.nc` (all patterns with their results), `synthesized.nc`, `model.nc`, the
    pictures `latent.png`, `relevance.png` and `synthesis.png`, and the page `report.html`.

    Returns
    -------
    list of tuple
        The figures: what, and its value as text.
    """
    series = alloy_series(iron=IRON)
    rng = np.random.default_rng(0)
    held_out = np.sort(rng.choice(series.sizes["pattern"], HELD_OUT, replace=False))
    known = np.setdiff1d(np.arange(series.sizes["pattern"]), held_out)
    training = series.isel(pattern=known)
    model = training.xrdae.fit(progress=progress)
    results = series.xrdae.encode(model).xrdae.relevance(model)
    results = results.xrdae.estimate(model, "ti").xrdae.estimate(model, "zr")
    results = results.assign_coords(
        held_out=("pattern", np.isin(np.arange(series.sizes["pattern"]), held_out))
    )
    low, high = _find_ends_of_row(training)
    synthesized = training.xrdae.synthesize(model, between=(low, high), n=7, endpoints=True)
    ratio = compare_synthesis_with_blending(training, model)
    peaks = find_contrary_peaks(results)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.nc")
    write_netcdf(results, folder / "results.nc")
    write_netcdf(synthesized, folder / "synthesized.nc")
    _draw_pictures(results, synthesized, folder)
    series.xrdae.report(model, folder / "report.html")
    seen, unseen = results.isel(pattern=known), results.isel(pattern=held_out)
    return [
        ("patterns (held out)", f"{series.sizes['pattern']} ({HELD_OUT})"),
        ("points a pattern", f"{series.sizes['two_theta']}"),
        ("basis components, members", f"{model.autoencoder.basis.components.shape[0]}, "
                                      f"{model.config.members}"),
        ("reconstruction error, trained on", f"{float(seen.reconstruction_error.mean()):.3f}"),
        ("reconstruction error, held out", f"{float(unseen.reconstruction_error.mean()):.3f}"),
        ("R2 of Ti content, held out", f"{compute_r_squared(unseen.ti, unseen.ti_estimate):.4f}"),
        ("R2 of Zr content, held out", f"{compute_r_squared(unseen.zr, unseen.zr_estimate):.4f}"),
        ("peaks found", f"{results.sizes['region']}"),
        *_find_relevant_peaks(results),
        *((name, "none found" if row is None else row.text()) for name, row in peaks.items()),
        ("synthesis error / linear blending", f"{ratio:.2f}"),
    ]  # fmt: skip


def compute_r_squared(truth: xr.DataArray, estimate: xr.DataArray) -> float:
    """Return the coefficient of determination."""
    left = float(((estimate - truth) ** 2).sum())
    return 1 - left / float(((truth - truth.mean()) ** 2).sum())


def compare_synthesis_with_blending(training: xr.Dataset, model: Model) -> float:
    """Return the error of synthesized mid-points over the error of linear blending.

    The truth is simulated without noise at the composition half-way between neighbours in the
    training series; errors are mean norms of the difference, patterns scaled to their maximum.
    """
    ti, zr = training["ti"].values, training["zr"].values
    size = np.stack([ti / np.ptp(ti), zr / np.ptp(zr)], axis=1)
    distance = np.linalg.norm(size[:, None] - size[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    pairs = sorted({tuple(sorted((i, int(j)))) for i, j in enumerate(distance.argmin(axis=1))})
    some = [pairs[i] for i in choose_evenly(len(pairs), PAIRS)]
    middle = [[np.mean(label[list(pair)]) for pair in some] for label in (ti, zr)]
    truth = alloy_series(middle[0], zr=middle[1], iron=IRON, crossed=False, noise=False)
    expected = truth["intensity"].values
    decoded, blended = [], []
    for i, j in some:
        result = model.synthesize(training, between=(i, j), n=1)
        decoded.append(result["synthesized"].values[0])
        ends = training["intensity"].values[[i, j]].astype(float)
        blended.append((ends / ends.max(axis=1, keepdims=True)).mean(axis=0))
    return _find_distance(np.array(decoded), expected) / _find_distance(np.array(blended), expected)


@dataclasses.dataclass(frozen=True)
class Peak:
    """A peak with its results, and the truth.

    Attributes
    ----------
    start, stop
        Its ends [degree].
    verdict
        `relevance_verdict` in words.
    excess
        `relevance_excess`.
    strength
        Rank among all peaks, 0 to 1, of the norm of the mean intensity above its lowest point.
    sensitivity
        Rank among all peaks, 0 to 1, of the known change with composition over this norm.
    """

    start: float
    stop: float
    verdict: str
    excess: float
    strength: float
    sensitivity: float

    def text(self) -> str:
        """Return one line."""
        return (
            f"{self.start:.2f} to {self.stop:.2f} degree: strength rank {self.strength:.2f}, "
            f"{self.verdict} (excess {self.excess:+.2f}); true sensitivity rank "
            f"{self.sensitivity:.2f}"
        )


def find_contrary_peaks(results: xr.Dataset) -> dict[str, Peak | None]:
    """Find a strong peak that is irrelevant and a weak one that is relevant, by their verdicts.

    The truth is not used to find them. It stands beside them: the derivative of the noise-free
    pattern with respect to Ti and Zr content, each over its range.

    Parameters
    ----------
    results
        The series with the results of `relevance`.

    Returns
    -------
    dict
        The two peaks by their names; None if there is none.
    """
    axis, mean = results["two_theta"].values, results["intensity"].mean("pattern").values
    bounds = np.stack([results["region_start"].values, results["region_stop"].values], axis=1)
    strength = measure_strengths(axis, mean, bounds)
    verdict, excess = results["relevance_verdict"], results["relevance_excess"].values
    names = find_category_names(verdict)
    sensitivity = _measure_sensitivity(results, bounds) / strength
    found: dict[str, Peak | None] = {}
    for name, i in zip(
        CONTRARY, find_contrary_regions(strength, excess, verdict.values), strict=True
    ):
        found[name] = None if i is None else Peak(
            start=float(bounds[i, 0]),
            stop=float(bounds[i, 1]),
            verdict=str(names[i]),
            excess=float(excess[i]),
            strength=_find_rank(strength, i),
            sensitivity=_find_rank(sensitivity, i),
        )  # fmt: skip
    return found


def _measure_sensitivity(series: xr.Dataset, bounds: Any) -> Any:
    """Return the true change `(region,)` of each region with composition, mean of the patterns."""
    ti, zr, step = series["ti"].values, series["zr"].values, 1e-3

    def simulate(ti: Any, zr: Any) -> Any:
        one = alloy_series(ti, zr=zr, iron=IRON, crossed=False, noise=False)
        return one["intensity"].values.astype(float)

    reference = simulate(ti, zr)
    slopes = np.stack(
        [
            (simulate(ti + step, zr) - reference) * np.ptp(ti) / step,
            (simulate(ti, zr + step) - reference) * np.ptp(zr) / step,
        ]
    )
    ends = np.searchsorted(series["two_theta"].values, bounds)
    return np.array([np.sqrt(np.square(slopes[..., a:b]).sum(axis=(0, 2))).mean() for a, b in ends])


def _find_rank(values: Any, region: int) -> float:
    return float((values < values[region]).sum() / (len(values) - 1))


def _find_distance(patterns: Any, truth: Any) -> float:
    scaled = [p / p.max(axis=1, keepdims=True) for p in (patterns, truth)]
    return float(np.linalg.norm(scaled[0] - scaled[1], axis=1).mean())


def _find_ends_of_row(training: xr.Dataset) -> tuple[int, int]:
    """Return the patterns of least and most Ti among those of the commonest Zr content."""
    zr, ti = training["zr"].values, training["ti"].values
    values, counts = np.unique(zr, return_counts=True)
    row = np.flatnonzero(zr == values[counts.argmax()])
    return int(row[ti[row].argmin()]), int(row[ti[row].argmax()])


def _find_relevant_peaks(results: xr.Dataset) -> list[tuple[str, str]]:
    """Return the three regions of largest mean relevance with the reflections in them."""
    relevance = results["relevance"].mean("pattern")
    rows = []
    for rank, i in enumerate(np.argsort(-relevance.values)[:3], start=1):
        region = relevance.isel(region=int(i))
        start, stop = float(region.region_start), float(region.region_stop)
        position = results["reflection_position"].mean("pattern")
        inside = np.flatnonzero((position >= start) & (position <= stop))
        hkl = ", ".join("".join(str(int(results[index][k])) for index in "hkl") for k in inside[:4])
        rows.append(
            (
                f"relevant peak {rank}",
                f"{float(region.region_center):.2f} degree (hkl {hkl}): shift {float(region):.2f}",
            )
        )
    return rows


def _draw_pictures(results: xr.Dataset, synthesized: xr.Dataset, folder: Path) -> None:
    from matplotlib.figure import Figure

    def draw(name: str, *plots: Callable[[Any], Any]) -> None:
        # A separate Figure, not pyplot's, has no window and no global state.
        figure = Figure(figsize=(6.5 * len(plots), 4.5), layout="constrained")
        for i, plot in enumerate(plots):
            plot(figure.add_subplot(1, len(plots), i + 1))
        figure.savefig(folder / name, dpi=100)

    draw(
        "latent.png",
        lambda ax: results.xrdae.plot.latent(color="ti", ax=ax),
        lambda ax: results.xrdae.plot.latent(color="zr", ax=ax),
    )
    draw("relevance.png", lambda ax: results.xrdae.plot.relevance(ax=ax))
    draw("synthesis.png", lambda ax: synthesized.xrdae.plot.synthesis(ax=ax))
