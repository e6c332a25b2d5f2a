"""A heating run: the path through latent space, temperature from patterns, and a foreign phase.

Iron is heated from 300 to 1400 K: its lattice expands, and at 1185 K it goes from bcc to fcc. A
later pattern contains magnetite, because the sample has oxidized. Run `python heating_run.py`.
"""

import sys
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from xrdae.simulate import profile

WAVELENGTH = 0.7093  # angstrom, Mo K-alpha 1
# Lattice at 300 K [angstrom], expansion [1/K], and intensities of lines by h2 + k2 + l2
BCC = 2.866, 15e-6, {2: 100, 4: 20, 6: 30, 8: 10, 10: 12, 12: 6}
FCC = 3.572, 23e-6, {3: 100, 4: 45, 8: 25, 11: 24, 12: 7, 16: 3}
MAGNETITE = 8.396, 15e-6, {8: 30, 11: 100, 16: 20, 24: 10, 27: 30, 32: 40}


def measure(temperatures, *, oxide=0.0, seed=0):
    """Simulate counts of bcc and fcc iron with a fraction of magnetite."""
    two_theta, rng = np.linspace(12, 45, 1650), np.random.default_rng(seed)
    counts = np.empty((len(temperatures), two_theta.size))
    for row, temperature in zip(counts, temperatures, strict=True):
        fcc = (1 - oxide) / (1 + np.exp((1185 - temperature) / 8))  # both coexist over some 40 K
        expected = 60 + 40 * np.exp(-(two_theta - 10) / 10)  # background
        for phase, share in ((BCC, 1 - oxide - fcc), (FCC, fcc), (MAGNETITE, oxide)):
            lattice, expansion, lines = phase
            d = lattice * (1 + expansion * (temperature - 300)) / np.sqrt(list(lines))
            area = 3 * share * np.array(list(lines.values()))
            area *= np.exp(-0.35 * temperature / 300 / (2 * d**2))  # Debye and Waller
            angle, width = 2 * np.degrees(np.arcsin(WAVELENGTH / (2 * d))), np.full(d.size, 0.08)
            expected += profile(two_theta, position=angle, area=area, fwhm=width, eta=0.5)
        row[:] = rng.poisson(expected)
    return xr.Dataset(
        {"intensity": (("time", "two_theta"), counts, {"units": "counts"})},
        coords={
            "two_theta": ("two_theta", two_theta, {"units": "degree"}),
            "temperature": ("time", temperatures, {"units": "K"}),
        },
    )


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    run = measure(np.linspace(300, 1400, 80))
    model = run.xrdae.fit(progress=False)
    results = run.xrdae.encode(model).xrdae.estimate(model, "temperature")
    mae = results["temperature_estimate"].attrs["cross_validation_mae"]
    print(f"temperature: mean absolute error {mae:.1f} K in blocks of the run held out")

    # Later patterns: two usual patterns, and one with 5 % of an oxide that is not in the training.
    good, bad = measure([640.0, 1020.0], seed=1), measure([1020.0], oxide=0.05, seed=2)
    later = xr.concat([good, bad], "time", combine_attrs="override").xrdae.encode(model)
    print("novelty of two usual patterns and an oxidized one:", later["novelty"].values.round(2))
    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplot_mosaic([["path", "estimate"], ["novelty", "novelty"]])
    results.xrdae.plot.latent(color="temperature", path="temperature", ax=axes["path"])
    results.xrdae.plot.estimate("temperature", ax=axes["estimate"])
    both = xr.concat([results[["novelty"]], later[["novelty"]]], "time")
    both.xrdae.plot.novelty(x="temperature", ax=axes["novelty"])
    figure.savefig(folder / "heating_run.png", dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
