"""A series of alloys: latents of each pattern, their composition, and the relevant peaks.

150 simulated patterns of [Sm(1-y)Zr(y)]Fe(12-x)Ti(x) with 15 % of alpha-iron. Run
`python alloy_series.py results`; it writes a picture and an HTML page to that folder.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xrdae.simulate import alloy_series

STRUCTURES = Path(__file__).parent / "structures"


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    series = alloy_series(iron=0.15)  # yours: xr.open_dataset("alloys.nc")

    # The model is fitted to the patterns only. The labels are used for colours and estimates.
    model = series.xrdae.fit(progress=False)
    results = series.xrdae.encode(model).xrdae.relevance(model)
    for label in ("ti", "zr"):
        results = results.xrdae.estimate(model, label)
        held_out = results[f"{label}_estimate"].attrs
        print(
            f"{label}: R2 {held_out['cross_validation_r2']:.4f}, mean absolute error "
            f"{held_out['cross_validation_mae']:.4f} in blocks of compositions held out"
        )

    # Which peaks determine the latents? Not the strong peaks of iron.
    table = results.xrdae.tabulate_relevance()
    for name, angle in (("(321) of the alloy", 42.4), ("(110) of iron", 44.67)):
        (region,) = np.flatnonzero((table.region_start <= angle) & (angle <= table.region_stop))
        row = table.isel(region=region)
        print(
            f"{name}: replacing it moves a latent point by {float(row.relevance):.3f}, "
            f"verdict {row.relevance_verdict.item()}"
        )

    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplot_mosaic([["ti", "zr"], ["relevance", "relevance"]], height_ratios=(3, 4))
    results.xrdae.plot.latent(color="ti", ax=axes["ti"])
    results.xrdae.plot.latent(color="zr", ax=axes["zr"])
    phases = {"alloy": STRUCTURES / "alloy.cif", "iron": STRUCTURES / "iron.cif"}
    results.xrdae.plot.relevance(phases=phases, ax=axes["relevance"])
    figure.savefig(folder / "alloy_series.png", dpi=100)

    # An HTML page to browse the latents; it needs the extra `report`.
    results.xrdae.report(model, folder / "alloy_series.html")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
