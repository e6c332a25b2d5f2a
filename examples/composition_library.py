"""A library of mixtures: composition from latents, and the peaks that tell the phases apart.

66 mixtures of corundum, fluorite and zincite, in steps of 10 %, with slightly different
alignment and texture from sample to sample. Run `python composition_library.py`.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from xrdae.simulate import cif_patterns

STRUCTURES = Path(__file__).parent / "structures"
PHASES = ("corundum", "fluorite", "zincite")


def measure_library():
    """Simulate the mixtures; `weight fraction of ...` are their labels."""
    tenths = [(a, b, 10 - a - b) for a in range(11) for b in range(11 - a)]
    rng = np.random.default_rng(0)
    library = cif_patterns(
        [STRUCTURES / f"{phase}.cif" for phase in PHASES],
        fractions=np.array(tenths) / 10,
        two_theta=np.linspace(20, 70, 2500),
        b_iso=0.4,
        counts=3000,
        zero_shift=rng.normal(0, 0.01, len(tenths)),  # degree: the alignment of samples varies
        texture=rng.uniform(0.9, 1.1, len(tenths)),
    )
    labels = library["weight_fraction"].drop_vars("component")
    return library.assign_coords(
        {
            phase: labels.isel(component=i).assign_attrs(long_name=f"weight fraction of {phase}")
            for i, phase in enumerate(PHASES)
        }
    )


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    # In a mixture all lines change. xrdae warns of that, and calls no region irrelevant.
    warnings.filterwarnings("ignore", "no peak is steady for certain")
    library = measure_library()
    # Three latents: two for the composition, one for other differences between samples.
    model = library.xrdae.fit(n_latent=3, progress=False)
    results = library.xrdae.encode(model).xrdae.relevance(model)
    for phase in PHASES:
        results = results.xrdae.estimate(model, phase)
        held_out = results[f"{phase}_estimate"].attrs
        print(
            f"{phase}: R2 {held_out['cross_validation_r2']:.3f}, mean absolute error "
            f"{100 * held_out['cross_validation_mae']:.1f} weight percent in blocks held out"
        )

    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplot_mosaic([["latent", "estimate"], ["relevance", "relevance"]])
    results.xrdae.plot.latent(color="zincite", density=True, ax=axes["latent"])
    results.xrdae.plot.estimate("zincite", ax=axes["estimate"])
    results.xrdae.plot.relevance_map(y="zincite", ax=axes["relevance"])
    figure.savefig(folder / "composition_library.png", dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
