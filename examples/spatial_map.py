"""A map across a sample: two latents as colours, and an inclusion that novelty detects.

The fraction of zincite in corundum rises to the right, and the texture weakens upwards. A model of
one map is applied to a similar map with an inclusion. Run `python spatial_map.py`.
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xrdae.simulate import cif_patterns

STRUCTURES = Path(__file__).parent / "structures"
HEIGHT, WIDTH, STEP = 16, 24, 0.25  # points, points, mm
Y, X = np.meshgrid(np.arange(HEIGHT) * STEP, np.arange(WIDTH) * STEP, indexing="ij")
INCLUSION = np.hypot(Y - 2.5, X - 4.2) < 0.5  # mm


def scan(*, fluorite=0.0, seed=0):
    """Simulate a map; `fluorite` is the weight fraction of fluorite in the inclusion."""
    foreign = np.where(INCLUSION, fluorite, 0).ravel()
    zincite = (0.2 + 0.6 * X / X.max()).ravel()
    shares = np.stack([1 - zincite, zincite], axis=1) * (1 - foreign[:, None])
    patterns = cif_patterns(
        [STRUCTURES / f"{phase}.cif" for phase in ("corundum", "zincite", "fluorite")],
        fractions=np.column_stack([shares, foreign]),
        two_theta=np.linspace(24, 70, 1200),
        texture=(0.7 + 0.3 * Y / Y.max()).ravel(),
        counts=2000,
        seed=seed,
    )
    image = patterns[["intensity"]].drop_vars("pattern").coarsen(pattern=WIDTH)
    image = image.construct(pattern=("y", "x"))
    return image.assign_coords(
        y=("y", Y[:, 0], {"units": "mm", "long_name": "height"}),
        x=("x", X[0], {"units": "mm", "long_name": "position"}),
    )


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    model = scan().xrdae.fit(progress=False)
    sample = scan(fluorite=0.1, seed=1)
    # The shutter stayed closed at three points. Masked patterns have no latents.
    shut = (sample["y"] == 1.0) & (sample["x"] > 1.2) & (sample["x"] < 2)
    results = sample.assign(mask=shut).xrdae.encode(model)

    novel = results["novelty"].values > 1
    print(f"inclusion: {novel[INCLUSION].sum()} of {INCLUSION.sum()} points are novel")
    print(f"elsewhere: {novel[~INCLUSION].mean():.1%} of the points, about 5 % are expected")

    figure = Figure(figsize=(9, 9), layout="compressed")
    above, below = figure.subplots(2)
    results.xrdae.plot.map(ax=above)
    results["novelty"].plot(ax=below, cmap="cividis", cbar_kwargs={"label": "novelty"})
    below.contour(X[0], Y[:, 0], results["novelty"], levels=[1], colors="white", linewidths=1)
    below.set(aspect="equal", facecolor="0.8", title="")
    figure.savefig(folder / "spatial_map.png", dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
