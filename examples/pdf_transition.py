"""Pair distribution functions through a transition: an axis that is not diffraction.

Simulated neutron G(r) of LaMnO3 from 300 to 1100 K. At 750 K the order of the long Mn-O bonds is
lost: the average octahedra become regular. The bonds themselves stay, in domains of 16 angstrom.
The errors of linear blending and of PCA are printed too; three components of PCA synthesize better
than two latents here. Run `python pdf_transition.py`.
"""

import io
import sys
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image
from sklearn.decomposition import PCA

from xrdae.analysis.estimate import find_estimator

# Cell edges [angstrom] and positions in Pbnm of La, Mn, O1 and O2: Mn-O bonds of 1.91, 1.97 and
# 2.18 angstrom, and of 2.00 to 2.01. Close to Rodriguez-Carvajal et al., Phys. Rev. B 57, R3189.
ORDERED = (
    np.array([5.537, 5.747, 7.693]),
    [(-0.008, 0.049, 0.25), (0.5, 0, 0), (0.075, 0.487, 0.25), (0.726, 0.307, 0.038)],
)
REGULAR = (
    np.array([5.582, 5.583, 7.890]),
    [(-0.003, 0.022, 0.25), (0.5, 0, 0), (0.067, 0.489, 0.25), (0.726, 0.274, 0.036)],
)
LENGTHS = np.array([8.24, -3.73, 5.803, 5.803])  # fm, of neutron scattering
MOTION = np.array([0.006, 0.003, 0.009, 0.009])  # angstrom**2 at 300 K
TRANSITION, DOMAIN = 750.0, 16.0  # K; angstrom (Qiu et al., Phys. Rev. Lett. 94, 177203)
R = np.arange(1, 351) * 0.04  # angstrom


def equivalents(position):
    """Return the equivalent positions in Pbnm, `(position, 3)`."""
    x, y, z = position
    half = [(x, y, z), (-x, -y, z + 0.5), (0.5 - x, y + 0.5, 0.5 - z), (x + 0.5, 0.5 - y, -z)]
    return np.unique(np.round(np.concatenate([half, -np.array(half)]) % 1, 9) % 1, axis=0)


def compute_pair_distribution(edges, positions, temperature):
    """Return G(r) [1/angstrom**2] of a crystal: a Gaussian for each pair of atoms."""
    sites = [equivalents(p) for p in positions]
    counts = np.array([len(site) for site in sites])
    atoms, kind = np.concatenate(sites), np.repeat(range(4), counts)
    cells = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3), axis=-1).reshape(-1, 1, 3)
    total = -4 * np.pi * R * counts.sum() / edges.prod()
    norm = counts.sum() * (counts @ LENGTHS / counts.sum()) ** 2
    for i, position in enumerate(positions):
        distance = np.linalg.norm((atoms + cells - position) * edges, axis=2)
        cell, j = np.nonzero((distance > 0.5) & (distance < R[-1] + 0.5))
        d, other = distance[cell, j], kind[j]
        # Neighbours move together: Jeong et al., Phys. Rev. B 67, 104301.
        variance = (MOTION[i] + MOTION[other]) * temperature / 300 * (1 - 1.4 / d)
        weight = (
            counts[i] * LENGTHS[i] * LENGTHS[other] / (norm * d * np.sqrt(2 * np.pi * variance))
        )
        total += np.exp(-((R[:, None] - d) ** 2) / (2 * variance)) @ weight
    return total


def expected(temperature):
    """Return G(r) at one temperature, without noise: ordered domains in a regular average."""
    ordered = 1 / (1 + np.exp((temperature - TRANSITION) / 6))  # both coexist over some 30 K
    distortion = 1 - 0.25 * min(temperature - 300, 450) / 450
    (cold, at_cold), (hot, at_hot) = ORDERED, REGULAR
    edges = (hot + distortion * (cold - hot)) * (1 + 1.2e-5 * (temperature - 300))
    positions = np.array(at_hot) + distortion * (np.array(at_cold) - at_hot)
    local = compute_pair_distribution(edges, positions, temperature)
    average = compute_pair_distribution(
        hot * (1 + 1.2e-5 * (temperature - 798)), at_hot, temperature
    )
    x = np.minimum(R / DOMAIN, 1)
    share = ordered + (1 - ordered) * (1 - 1.5 * x + 0.5 * x**3)  # of pairs within one sphere
    return share * local + (1 - share) * average


def measure(temperatures, *, noise=0.01, seed=0):
    """Simulate G(r) from S(Q) up to 25 1/angstrom with white noise."""
    q, rng = np.arange(0.8, 25, 0.05), np.random.default_rng(seed)
    sine = np.sin(q[:, None] * R)
    g = np.array([expected(t) for t in temperatures])
    reduced = g @ sine.T * (R[1] - R[0]) + q * rng.normal(0, noise, (len(g), q.size))
    keep = (R > 1.5) & (R < 12)
    g = (reduced @ sine * 2 / np.pi * 0.05)[:, keep]
    return xr.Dataset(
        {"intensity": (("temperature", "r"), g, {"units": "1/angstrom**2", "long_name": "G(r)"})},
        coords={
            "r": ("r", R[keep], {"units": "angstrom", "long_name": "distance r"}),
            "temperature": ("temperature", temperatures, {"units": "K"}),
        },
    )


def middle(rows):
    """Return the means of neighbouring rows."""
    return (rows[1:] + rows[:-1]) / 2


def measure_synthesis_errors(run):
    """Hold out every second pattern, and return the relative error of each that replaces it.

    The truth is the pattern without noise. Every method gets the two neighbours.
    """
    half = run.isel(temperature=slice(None, None, 2))
    temperatures = run["temperature"].values[1::2]
    truth = measure(temperatures, noise=0)["intensity"].values
    model = half.xrdae.fit(scale="std", progress=False)
    pairs = [(i, i + 1) for i in range(len(truth))]
    parts = [half.xrdae.synthesize(model, between=pair, n=1) for pair in pairs]
    known, scale = half["intensity"].values, half["intensity"].std("r").values[:, None]
    made = {
        "xrdae, 2 latents": np.concatenate([part["synthesized"] for part in parts]),
        "linear blending": middle(known),
    }
    for n in (2, 3):
        pca = PCA(n).fit(known / scale)
        latents = pca.transform(known / scale)
        made[f"PCA, {n} components"] = pca.inverse_transform(middle(latents)) * middle(scale)
    size = np.linalg.norm(truth, axis=1)
    errors = {name: np.linalg.norm(g - truth, axis=1) / size for name, g in made.items()}
    novelty = np.concatenate([part["synthesized_novelty"] for part in parts])
    return temperatures, errors, novelty


def draw(run, results, temperatures, errors):
    """Draw patterns, latents, errors of synthesis and relevance."""
    figure = Figure(figsize=(9, 10), layout="constrained")
    rows = [["patterns", "path"], ["latents", "errors"], ["relevance", "relevance"]]
    axes = figure.subplot_mosaic(rows, height_ratios=(5, 4, 5))
    for i, temperature in enumerate(np.arange(300, 1101, 160)):
        g = run["intensity"].sel(temperature=temperature) + 10 * i
        color = colormaps["viridis"](0.18 * i)
        axes["patterns"].plot(run["r"], g, color=color, lw=1)
        axes["patterns"].text(12.1, 10 * i, f"{temperature} K", color=color, va="center")
    axes["patterns"].set(xlabel="distance r (angstrom)", ylabel="G(r) (1/angstrom**2), shifted")
    axes["patterns"].margins(x=0)
    results.xrdae.plot.latent(color="temperature", path="temperature", ax=axes["path"])
    x = run["temperature"].values
    for i, line in enumerate(("o-", "s--")):
        label = f"latent axis {i}"
        axes["latents"].plot(x, results["latent"][:, i], line, ms=3, lw=1, label=label)
    for (name, error), marker in zip(errors.items(), "os^v", strict=True):
        axes["errors"].plot(temperatures, 100 * error, marker, ls="-", ms=3, lw=1, label=name)
    axes["latents"].set(xlabel="temperature (K)", ylabel="latent")
    axes["errors"].set(xlabel="temperature (K)", ylabel="error of held-out G(r) (%)", ylim=(0, 11))
    for name in ("latents", "errors"):
        axes[name].axvline(TRANSITION, color="0.6", lw=1, ls=":", zorder=0)
        axes[name].legend(fontsize=8, frameon=False)
    results.xrdae.plot.relevance(ax=axes["relevance"])
    return figure


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    run = measure(np.linspace(300, 1100, 51))
    # G(r) is negative in part, so patterns must not be divided by their maximum.
    model = run.xrdae.fit(scale="std", progress=False)
    print(model)
    # Masked regions are filled with the mean of the run.
    results = run.xrdae.encode(model).xrdae.relevance(model, regions=1.0, fill="mean")
    results = results.xrdae.estimate(model, "temperature")

    mae = results["temperature_estimate"].attrs["cross_validation_mae"]
    pca = PCA(2).fit_transform(run["intensity"] / run["intensity"].std("r"))
    same = find_estimator(pca / pca.std(), run["temperature"].values, name="temperature")
    print(
        f"temperature: mean absolute error {mae:.1f} K in blocks of the run held out; from "
        f"two components of PCA, by the same Gaussian process, {same.figures['mae']:.1f} K"
    )
    temperatures, errors, novelty = measure_synthesis_errors(run)
    for name, error in errors.items():
        print(f"held-out G(r) by {name}: error {100 * error.mean():.2f} %")
    print("novel patterns at (K):", temperatures[novelty > 1])

    # Which distances determine the latents? Not the bonds, but the range of their order.
    relevance = results["relevance"].mean("temperature")
    for name, r in (("the Mn-O bonds, 1.5 to 2.5 angstrom,", 2.0), ("9.5 to 10.5 angstrom", 10.0)):
        shift = float(relevance[np.abs(results["region_center"].values - r).argmin()])
        print(f"masking {name} moves a latent point by {shift:.3f}")
    picture = io.BytesIO()
    draw(run, results, temperatures, errors).savefig(picture, dpi=100)
    colors = Image.open(picture).convert("RGB").quantize(256)  # a third of the size
    colors.save(folder / "pdf_transition.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
