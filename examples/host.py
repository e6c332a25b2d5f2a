"""A host framework with its own PluginManager, which uses the analysis of xrdae.

Run `python examples/host.py`. Then run `pip install ./examples/beamstop` and the script again. The
plugin replaces one step, the model input; the code of the host does not change.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pluggy
import xarray as xr
from matplotlib.figure import Figure

from xrdae import Config, hookimpl, hookspecs


@dataclasses.dataclass
class Scan:
    """Data object of the framework, without xarray."""

    angles: np.ndarray
    counts: np.ndarray
    notes: dict = dataclasses.field(default_factory=dict)


class ScanPlugin:
    """Adapter that converts a Scan to a Dataset and stores results in its notes."""

    @hookimpl
    def xrdae_to_dataset(self, obj):
        if not isinstance(obj, Scan):
            return None
        axis = ("two_theta", obj.angles, {"units": "degree"})
        return xr.Dataset(
            {"intensity": (("pattern", "two_theta"), obj.counts)}, {"two_theta": axis}
        )

    @hookimpl
    def xrdae_attach(self, obj, result):
        if not isinstance(obj, Scan):
            return None
        new = {name: array.values for name, array in result.data_vars.items()}
        return dataclasses.replace(obj, notes=obj.notes | new)


class Framework:
    """Framework that loads plugins by entry point and runs their analysis."""

    def __init__(self):
        self.plugins = pluggy.PluginManager("xrdae")
        self.plugins.add_hookspecs(hookspecs)
        self.plugins.register(ScanPlugin())
        self.plugins.load_setuptools_entrypoints("xrdae")

    def analyze(self, scan):
        hook = self.plugins.hook
        dataset = hook.xrdae_to_dataset(obj=scan)
        model = hook.xrdae_fit(dataset=dataset, config=Config(), progress=None, checkpoint=None)
        result = hook.xrdae_encode(dataset=dataset, model=model)
        relevance = hook.xrdae_relevance(
            dataset=dataset,
            model=model,
            regions="peaks",
            fill="background",
            label=None,
            reference=None,
        )
        result = result.merge(relevance, compat="override", combine_attrs="override")
        return hook.xrdae_attach(obj=scan, result=result)

    def show(self, scan, path):
        """Draw the arrays in the notes."""
        figure = Figure(figsize=(9, 6), layout="constrained")
        above, below = figure.subplots(2)
        above.plot(scan.notes["latent"], marker=".")
        above.set(xlabel="frame", ylabel="latent")
        above.legend(["latent axis 0", "latent axis 1"])
        below.plot(scan.angles, scan.counts.mean(axis=0), color="black", lw=0.8)
        below.set(xlabel="angle (degree)", ylabel="counts, mean of all frames")
        relevance = below.twinx()
        relevance.plot(scan.angles, scan.notes["relevance_profile"].mean(axis=0), color="#D55E00")
        relevance.set_ylabel("relevance", color="#D55E00")
        figure.savefig(path, dpi=100)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    angles = np.linspace(20, 80, 600)
    lines = np.array([24.0, 35.0, 50.0, 62.0]) + np.linspace(0, 0.6, 40)[:, None]
    peaks = np.exp(-(((angles - lines[..., None]) / 0.3) ** 2)).sum(axis=1)
    scan = Scan(angles, np.random.default_rng(0).poisson(1000 * peaks + 50))
    framework = Framework()
    print("plugins:", ", ".join(sorted(name for name, _ in framework.plugins.list_name_plugin())))
    scan = framework.analyze(scan)
    notes = scan.notes
    print("notes:  ", ", ".join(f"{name} {array.shape}" for name, array in notes.items()))
    print("relevance of the peaks:", notes["relevance"].mean(axis=0).round(3))
    framework.show(scan, folder / "host.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
