"""Is what relevance calls relevant what the latents depend on? Masking, best first or last.

Run `python tests/benchmarks/faithfulness.py`. Windows of one degree of the simulated alloy are
masked one after the other, in the order of a score: the most relevant first (deletion) or last
(insertion, seen from its end). How far the latent point has moved, over how far it moves when all
are masked, is the curve. A faithful score has a large area below the first and a small one below
the second; their difference is the symmetric relevance gain (SRG), and the area in random order is
the reference that tells how far the masking itself leaves the data (R-OMS), both after Bluecher,
Vielhaben and Strodthoff, arXiv 2401.06654. Scores: xrdae's relevance by this mask, its conditional
relevance, `region_change`, the windows' energy, captum's integrated gradients (of the squared
distance from the mean latent) and chance.
"""

from __future__ import annotations

import numpy as np
import torch
from captum.attr import IntegratedGradients

import xrdae
from xrdae.analysis.relevance import MASKS
from xrdae.preprocessing.peaks import find_channels
from xrdae.simulate import alloy_series

PATTERNS = slice(None, None, 5)
WIDTH = 1.0  # degree


def mask_change(scaled: np.ndarray, mean: np.ndarray, region, fill: str) -> np.ndarray:
    """Return `(pattern, channel of the region)`: what masking adds to the scaled intensity."""
    start, stop = region
    inside = scaled[:, start:stop]
    if fill == "zero":
        return -inside
    if fill == "mean":
        return mean[start:stop] - inside
    along = np.linspace(0, 1, stop - start, dtype=inside.dtype)
    return inside[:, :1] + (inside[:, -1:] - inside[:, :1]) * along - inside


def curve(model: xrdae.Model, inputs: np.ndarray, slices, order: np.ndarray, fill: str):
    """Return the mean shift `(step,)` of the latents; `order` is `(pattern, window)`."""
    auto = model.autoencoder
    scaled = auto.preparation.restore_scale(inputs)
    masked, start = scaled.copy(), auto.encode_coefficients(auto.basis.project(inputs)).mean(axis=0)
    changes = [mask_change(scaled, auto.preparation.mean, (a, b), fill) for a, b in slices]
    moved = []
    for step in order.T:
        for i, window in enumerate(step):
            a, b = slices[window]
            masked[i, a:b] = scaled[i, a:b] + changes[window][i]
        coefficients = auto.basis.project(
            ((masked - auto.preparation.mean) / auto.preparation.gain).astype(np.float32)
        )
        moved.append(
            np.linalg.norm(auto.encode_coefficients(coefficients).mean(axis=0) - start, axis=1)
        )
    moved = np.array(moved)
    return (moved / moved[-1]).mean(axis=1)


def integrated_gradients(model: xrdae.Model, inputs: np.ndarray, slices) -> np.ndarray:
    auto = model.autoencoder
    components = torch.as_tensor(auto.basis.components)

    def distance(x: torch.Tensor) -> torch.Tensor:
        return auto.ensemble.encode(x @ components.T).mean(0).square().sum(1)

    x = torch.as_tensor(inputs)
    given = IntegratedGradients(distance).attribute(x, torch.zeros_like(x), n_steps=32)
    return np.stack([np.abs(given[:, a:b].numpy().sum(axis=1)) for a, b in slices], axis=1)


def main() -> None:
    series = alloy_series()
    model = series.xrdae.fit(progress=False)
    some = series.isel(pattern=PATTERNS)
    edges = np.arange(20.0, 80.0, WIDTH)
    bounds = np.stack([edges, np.minimum(edges + WIDTH, 80.0)], axis=1)
    auto = model.autoencoder
    slices = find_channels(auto.preparation.axis, bounds)
    inputs = model.model_input(some).values
    rng = np.random.default_rng(0)
    print("| fill | score | deletion | insertion | SRG |")
    print("|---|---|---|---|---|")
    implied = model.relevance(some, regions=bounds)["relevance"].values
    for fill in MASKS:
        maps = model.relevance(some, regions=bounds, fill=fill)
        scaled = auto.preparation.restore_scale(inputs)
        energy = [np.linalg.norm(mask_change(scaled, auto.preparation.mean, (a, b), fill), axis=1)
                  for a, b in slices]  # fmt: skip
        scores = {
            "relevance of this mask": maps["relevance"].values,
            "conditional relevance": implied,
            "region_change": np.tile(maps["region_change"].values, (len(inputs), 1)),
            "window energy": np.stack(energy, axis=1),
            "integrated gradients": integrated_gradients(model, inputs, slices),
            "random": rng.random((len(inputs), len(slices))),
        }
        for name, score in scores.items():
            best_first = np.argsort(-score, axis=1)
            deletion = curve(model, inputs, slices, best_first, fill).mean()
            insertion = curve(model, inputs, slices, best_first[:, ::-1], fill).mean()
            print(f"| {fill} | {name} | {deletion:.3f} | {insertion:.3f} | "
                  f"{deletion - insertion:+.3f} |")  # fmt: skip
            if name == "random":
                print(f"| {fill} | R-OMS | {(deletion + insertion) / 2:.3f} | | |")


if __name__ == "__main__":
    main()
