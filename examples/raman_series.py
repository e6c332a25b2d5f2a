"""A Raman series: composition and laser heating from spectra with a fluorescence background.

41 simulated spectra of anatase and rutile, the two usual forms of TiO2, from one to the other. The
laser heats every spot differently, which shifts and broadens the bands, and the fluorescence and
the brightness vary. The axis stays a Raman shift in 1/cm. The errors of PCA are printed too; three
components of it do better than two latents here. Run `python raman_series.py`.
"""

import io
import sys
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image
from pybaselines import Baseline
from sklearn.decomposition import PCA

from xrdae.analysis.estimate import find_estimator

# Bands: Raman shift and full width [1/cm] at 300 K, shift and broadening [1/cm/K], height. The
# positions are the known ones; coefficients and heights have a plausible sign and size.
ANATASE = np.array(
    [
        (144, 9, 0.025, 0.020, 100),
        (197, 11, 0.010, 0.020, 8),
        (399, 22, -0.008, 0.030, 22),
        (516, 22, -0.020, 0.030, 20),
        (639, 24, -0.020, 0.035, 28),
    ]
)
RUTILE = np.array(
    [
        (143, 7, 0.000, 0.010, 2),
        (235, 80, -0.010, 0.050, 12),
        (447, 38, -0.045, 0.050, 30),
        (612, 37, -0.008, 0.035, 26),
    ]
)
SMOOTH = {"lam": 1e5}  # stiffness of the arPLS background


def bands(shift, table, temperature):
    """Return the Lorentzian bands of one phase, `(channel,)`."""
    position, width, slope, broadening, height = table.T[:, :, None]
    half = (width + broadening * (temperature - 300)) / 2
    center = position + slope * (temperature - 300)
    lines = height * (width / 2) * half / ((shift - center) ** 2 + half**2)  # of one area
    return lines.sum(axis=0)


def measure_series(n=41, seed=0):
    """Simulate counts of mixtures of anatase and rutile at spots of different temperature."""
    shift, rng = np.arange(90, 850, 1.5), np.random.default_rng(seed)
    rutile, temperature = np.linspace(0, 1, n), rng.uniform(300, 700, n)
    counts = np.empty((n, shift.size))
    for row, share, hot in zip(counts, rutile, temperature, strict=True):
        spectrum = (1 - share) * bands(shift, ANATASE, hot) + share * bands(shift, RUTILE, hot)
        broad = np.exp(-(((shift - rng.uniform(600, 1200)) / 500) ** 2))
        fluorescence = rng.uniform(10, 40) * broad + rng.uniform(3, 8)
        row[:] = rng.poisson(rng.uniform(40, 80) * (spectrum + fluorescence))
    return xr.Dataset(
        {"intensity": (("spot", "raman_shift"), counts, {"units": "counts"})},
        coords={
            "raman_shift": ("raman_shift", shift, {"units": "1/cm", "long_name": "Raman shift"}),
            "rutile": ("spot", rutile, {"units": "1", "long_name": "share of rutile"}),
            "temperature": ("spot", temperature, {"units": "K"}),
        },
    )


def measure_pca_errors(series, label, n):
    """Return the error of a label from n components of PCA, by the Gaussian process of xrdae.

    The spectra are prepared as for the model; the same blocks are held out.
    """
    baseline = Baseline(series["raman_shift"].values)
    spectra = [row - baseline.arpls(row, **SMOOTH)[0] for row in series["intensity"].values]
    latents = PCA(n).fit_transform([row / row.max() for row in spectra])
    return find_estimator(latents / latents.std(), series[label].values, name=label).figures["mae"]


def draw(series, results):
    """Draw spectra, latents, estimates and relevance."""
    figure = Figure(figsize=(9, 10), layout="constrained")
    rows = [["spectra", "latent"], ["rutile", "temperature"], ["relevance", "relevance"]]
    axes = figure.subplot_mosaic(rows, height_ratios=(5, 4.5, 5))
    for i, share in enumerate((0, 0.25, 0.5, 0.75, 1)):
        spectrum = series.isel(spot=int(40 * share))
        counts = spectrum["intensity"] / spectrum["intensity"].max() + i
        color = colormaps["viridis"](0.22 * i)
        axes["spectra"].plot(series["raman_shift"], counts, color=color, lw=1)
        axes["spectra"].text(860, counts[-1], f"{share:.0%}", color=color, va="center")
    axes["spectra"].set(xlabel="Raman shift (1/cm)", ylabel="counts / maximum, shifted", yticks=[])
    axes["spectra"].set_title("share of rutile", loc="right", fontsize=9)
    axes["spectra"].margins(x=0)
    results.xrdae.plot.latent(color="rutile", ax=axes["latent"])
    for label in ("rutile", "temperature"):
        results.xrdae.plot.estimate(label, ax=axes[label])
    results.xrdae.plot.relevance(ax=axes["relevance"])
    return figure


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    # In a mixture all lines change. xrdae warns of that, and calls no region irrelevant.
    warnings.filterwarnings("ignore", "no peak is steady for certain")
    series = measure_series()
    model = series.xrdae.fit(background="arpls", background_options=SMOOTH, progress=False)
    print(model)
    results = series.xrdae.encode(model).xrdae.relevance(model, fill="background")
    shift = results["raman_shift"]
    print(f"axis: {shift.name} {shift.values[0]} to {shift.values[-1]} {shift.attrs['units']}")

    # One model, two questions: what is the sample, and how hot did the laser make it?
    for label, factor, units in (("rutile", 100, "%"), ("temperature", 1, "K")):
        results = results.xrdae.estimate(model, label)
        error = results[f"{label}_estimate"].attrs["cross_validation_mae"]
        pca = [measure_pca_errors(series, label, n) for n in (2, 3)]
        print(
            f"{label}: mean absolute error {factor * error:.1f} {units} in blocks held out; from "
            f"two or three components of PCA {factor * pca[0]:.1f} or {factor * pca[1]:.1f} {units}"
        )
    relevance = results["relevance"].mean("spot")
    for rank, region in enumerate(np.argsort(-relevance.values)[:4], start=1):
        start, stop = (float(results[f"region_{end}"][region]) for end in ("start", "stop"))
        print(f"relevance {rank}: {start:.0f} to {stop:.0f} 1/cm, {float(relevance[region]):.2f}")

    picture = io.BytesIO()
    draw(series, results).savefig(picture, dpi=100)
    colors = Image.open(picture).convert("RGB").quantize(256)  # a third of the size
    colors.save(folder / "raman_series.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
