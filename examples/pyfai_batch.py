"""A batch of detector images, integrated by pyFAI, with the latents of each pattern.

The script simulates images of an alloy series on a Pilatus with gaps and dead pixels, and writes
them as EDF. It reads and integrates them like a batch script at a beamline. The patterns and their
latents are written to a NeXus file. Run `python pyfai_batch.py folder`; it needs the extra `pyfai`.
"""

import sys
from pathlib import Path

import fabio
import h5py
import numpy as np
import pyFAI
from matplotlib import colormaps
from matplotlib.figure import Figure
from pyFAI.detectors import detector_factory
from pyFAI.integrator.azimuthal import AzimuthalIntegrator
from pyFAI.io.nexus import save_NXazint1d

import xrdae
from xrdae.plugins import to_dataset
from xrdae.simulate import alloy_series

WAVELENGTH = 0.7  # angstrom


def expose(folder, *, n=30, seed=0):
    """Simulate and write images of alloys with more and more titanium, and the geometry."""
    rng = np.random.default_rng(seed)
    ai = AzimuthalIntegrator(dist=0.15, poni1=0.005, poni2=0.04, wavelength=WAVELENGTH * 1e-10)
    ai.detector = detector_factory("Pilatus300k")
    ai.save(str(folder / "geometry.poni"))
    dead = (rng.random(ai.detector.shape) < 1e-3) | ai.detector.mask.astype(bool)
    two_theta = np.linspace(2, 45, 3000)
    series = alloy_series(
        np.linspace(0, 2, n), zr=0.25, two_theta=two_theta, wavelength=WAVELENGTH, noise=False
    )
    for i, pattern in enumerate(series["intensity"]):
        counts = 40 * pattern.values / pattern.values.max()
        expected = ai.calcfrom1d(two_theta, counts, dim1_unit="2th_deg")
        image = np.where(dead, -1, rng.poisson(expected)).astype(np.int32)
        header = {"ti": f"{float(series['ti'][i]):.4f}"}
        fabio.edfimage.EdfImage(image, header).write(str(folder / f"alloy_{i:04d}.edf"))


def integrate(folder):
    """Integrate every image of a folder, with the metadata in its header."""
    ai = pyFAI.load(str(folder / "geometry.poni"))
    results = []
    for path in sorted(folder.glob("*.edf")):
        with fabio.open(str(path)) as file:
            image, header = file.data, file.header
        result = ai.integrate1d(
            image,
            1000,
            unit="2th_deg",
            radial_range=(5, 36),
            mask=image < 0,
            error_model="poisson",
            metadata={"ti": float(header["ti"])},
        )
        results.append(result)
    return results


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    expose(folder)
    results = integrate(folder)

    model = to_dataset(results).xrdae.fit(progress=False)
    results = xrdae.analyze(results, model)
    print("image 0 has", ", ".join(results[0].metadata["xrdae"]))

    save_NXazint1d(str(folder / "alloy.h5"), results, wavelength=WAVELENGTH * 1e-10)
    with h5py.File(folder / "alloy.h5", "r+") as file:
        xrdae.analyze(file, model)
        print("the file has", ", ".join(file["entry"]))

    dataset = to_dataset(results).xrdae.encode(model).xrdae.relevance(model)
    dataset = dataset.xrdae.estimate(model, "ti")
    held_out = dataset["ti_estimate"].attrs
    print(f"ti: mean absolute error {held_out['cross_validation_mae']:.4f} in blocks held out")

    figure = Figure(figsize=(9, 8), layout="constrained")
    axes = figure.subplot_mosaic([["image", "latent"], ["relevance", "relevance"]])
    with fabio.open(str(folder / "alloy_0000.edf")) as file:
        image = np.ma.masked_less(file.data, 0)  # gaps stay white
    few = colormaps["cividis"].resampled(5)  # or noise makes a large file
    axes["image"].imshow(image, vmin=0, vmax=25, cmap=few, interpolation="nearest")
    axes["image"].set(title="alloy_0000.edf", xlabel="pixel", ylabel="pixel")
    dataset.xrdae.plot.latent(color="ti", path="ti", ax=axes["latent"])
    dataset.xrdae.plot.relevance(ax=axes["relevance"])
    figure.savefig(folder / "pyfai_batch.png", dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
