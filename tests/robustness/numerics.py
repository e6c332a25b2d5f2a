"""Datasets of extreme numbers under many settings, and their bases against numpy's in float64.

A dataset is fitted and goes through every method: all that comes out is finite, or the fit has
refused the data with an error that names a pattern. Warnings are errors, but for those that the
data deserve.
"""

import functools
import warnings

import numpy as np
import xarray as xr
from harness import Row, main, try_in_child
from scipy.ndimage import binary_erosion

N, P = 24, 200
FAST = {"steps": 15, "members": 2, "hidden": (8,), "progress": False}
SETTINGS = {
    "default": {},
    "area": {"scale": "area"},
    "snip": {"background": "snip", "background_options": {"max_half_window": 6}},
    "arpls": {"background": "arpls", "scale": "area"},
    "log_q": {"grid": "log_q", "points": 150, "n_latent": 1},
    "changes": {"strain": 0.002, "zero_shift": 0.05, "texture": 0.2, "background_change": 0.1},
}
DESERVED = (
    "lie outside the training data",
    "count as equal",
    "are not ordered along",
    "intensities are infinite",
    "almost all baseline points",
    "have no effect",  # this and the last are of pybaselines, for odd options
)
SCALES = (1e-300, 1e-100, 1e-40, 1e-36, 1e-30, 1e-10, 1e10, 1e30, 1e34, 1e100, 1e300)
TOLERANCE = 1e-4
LONGEST = "100000 channels"  # takes a minute: with one of the settings


def expected(n=N, points=P, width=0.8):
    """Counts `(pattern, channel)` of peaks that move and change, without noise."""
    x = np.linspace(0, 1, n)[:, None]
    two_theta = np.linspace(20, 80, points)
    pattern = np.full((n, points), 60.0)
    for centre, moves, height, grows in (
        (25, 0.3, 1.0, 0.0), (33, 0.6, 0.4, 0.8), (45, 1.0, 0.8, -0.5), (58, 1.3, 0.3, 0.5),
    ):  # fmt: skip
        peak = np.exp(-np.square((two_theta - centre - moves * x) / width))
        pattern += 2000 * height * (1 + grows * x) * peak
    return pattern


def counted(n=N, points=P, **given):
    return np.random.default_rng(0).poisson(expected(n, points, **given)).astype(float)


def changed(where, value, n=N):
    out = counted(n)
    out[where] = value(out[where]) if callable(value) else value
    return out


@functools.cache
def datasets():
    """Return intensities `(pattern, channel)` by name."""
    plain, two = counted(), counted()[[0, -1]]
    kinds = ("f2", "f4", ">f4", ">f8", "i2", "u2", "i4", ">i4", "i8")
    found = {f"of type {kind}": plain.astype(kind) for kind in kinds}
    found |= {"of type bool": plain > 500, "of type u1": np.clip(plain / 10, 0, 255).astype("u1")}
    found |= {f"times {scale:g}": plain * scale for scale in SCALES}
    small = [scale for scale in SCALES if 1e-44 < scale < 1e34]
    found |= {f"times {scale:g}, float32": (plain * scale).astype("f4") for scale in small}
    mixed = plain * np.where(np.arange(N) < N // 2, 1e-30, 1e30)[:, None]
    spikes = np.zeros((N, P))
    spikes[np.arange(N), 50 + np.arange(N)] = 1
    every = np.s_[:]
    return found | {
        "scales from 1e-30 to 1e30": mixed,
        "scales from 1e-30 to 1e30, float32": mixed.astype("f4"),
        "dead channels": changed(np.s_[:, [0, 50, P - 1]], 0),
        "a hot channel": changed(np.s_[:, 50], 1e9),
        "a hotter channel": changed(np.s_[:, 50], 1e13),
        "a hot channel in one pattern": changed(np.s_[7, 50], 1e9),
        "a fill value": changed(np.s_[7, 50], 9.96921e36),
        "a negative channel": changed(np.s_[:, 50], -1e9),
        "a negative channel in one pattern": changed(np.s_[7, 50], -1e9),
        "one strong pattern": changed(7, lambda p: 1e6 * p),
        "one weak pattern": changed(7, lambda p: 1e-6 * p),
        "each pattern twice": np.repeat(plain[: N // 2], 2, axis=0),
        "all equal": np.repeat(plain[:1], N, axis=0),
        "all equal but for a factor, float32": np.outer(np.linspace(1, 2, N), plain[0]).astype(
            "f4"
        ),
        "all but one equal": np.concatenate([np.repeat(plain[:1], N - 1, axis=0), two[1:]]),
        "three patterns": plain[::11],
        "three equal patterns": np.repeat(plain[:1], 3, axis=0),
        "16 channels": counted(N, 16),
        "3 channels": counted(N, 3),
        "10000 channels": counted(6, 10_000, width=0.05),
        LONGEST: counted(6, 100_000, width=0.005),
        "300 patterns of 16 channels": counted(300, 16),
        "two kinds": np.repeat(two, N // 2, axis=0),
        "one peak that grows": np.outer(np.arange(1, N + 1), np.arange(P) == 100),
        "a spike that moves": spikes,
        "negative parts": plain - 200,
        "mostly negative": plain - 1990,
        "all negative": -plain,
        "zeros": 0 * plain,
        "a pattern of zeros": changed(5, 0),
        "constant": 0 * plain + 5,
        "constant channels": changed(np.s_[:, 100:], 7),
        "an offset of 1e6": expected() / 1e3 + 1e6,
        "an offset of 1e6, float32": (expected() / 1e3 + 1e6).astype("f4"),
        "no mean": plain - plain.mean(axis=1, keepdims=True),
        "channels never measured": changed(np.s_[:, 60:90], np.nan),
        "gaps": changed((np.s_[3:9], np.s_[60::3]), np.nan),
        "infinite": changed(np.s_[3, 60], np.inf),
        "three channels measured": changed(np.s_[4, 3:], np.nan),
        "white noise": np.random.default_rng(1).normal(size=(N, P)),
        "the largest float64": changed(every, lambda p: np.where(p > 1e3, np.finfo(float).max, p)),
        "the largest float32": changed(every, lambda p: np.where(p > 1e3, 3.4e38, p)).astype("f4"),
        "the least int64": np.where(plain < 70, np.iinfo("i8").min, plain.astype("i8")),
        "the largest uint64": np.where(plain > 1e3, np.iinfo("u8").max, plain.astype("u8")),
    }


def labelled(intensity):
    """Return intensities `(pattern, channel)` by the convention, with a label `x`."""
    n, points = intensity.shape
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), intensity)},
        coords={
            "two_theta": ("two_theta", np.linspace(20, 80, points), {"units": "degree"}),
            "wavelength": ((), 1.5406, {"units": "angstrom"}),
            "x": ("pattern", np.linspace(0, 1, n)),
        },
    )


def results(dataset, model):
    """Yield a name and what each method makes of a dataset."""
    methods = dataset.xrdae
    yield "encode", methods.encode(model)
    yield "reconstruct", methods.reconstruct(model)
    for fill in ("background", "zero", "mean"):
        yield f"relevance, {fill}", methods.relevance(model, fill=fill)
    yield "between", methods.synthesize(model, between=(0, -1), n=3, endpoints=True)
    yield "at", methods.synthesize(model, at={"x": [0.3, 0.5]})
    yield "estimate", methods.estimate(model, "x")
    yield "decode", model.decode(model.labels["latent"]).to_dataset(name="decoded")


def try_dataset(case):
    name, settings = case
    warnings.simplefilter("error")
    for message in DESERVED:
        warnings.filterwarnings("ignore", f".*{message}")
    import xrdae

    dataset = labelled(datasets()[name])
    before = dataset.copy(deep=True)
    try:
        model = dataset.xrdae.fit(**FAST, **SETTINGS[settings])
    except xrdae.DataError as error:
        if "pattern {'pattern': " not in str(error):
            raise
        return "refused"
    assert np.isfinite(model.history["loss"]).all()
    for method, result in results(dataset, model):
        for variable in set(result.data_vars) - set(dataset.data_vars):
            values = result[variable]
            if method == "decode":  # on the model's own axis
                values = values[:, np.isfinite(model.autoencoder.preparation.mean)]
            elif values.sizes.get("two_theta", 0) > 1:
                # Nothing is made up where none was measured, nor beside it on another grid.
                known = np.isfinite(dataset["intensity"]).any("pattern").values
                if model.config.grid != "data":
                    known = binary_erosion(known, iterations=2, border_value=1)
                values = values[:, known]
            if not np.isfinite(values).all():
                raise AssertionError(f"{method}: {variable} is not finite")
    return "read" if dataset.identical(before) else "lost"


@functools.cache
def spectra():
    """Return model input `(pattern, channel)` by name, float32, of all kinds of spectra."""
    rng = np.random.default_rng(2)
    found = {}
    for n, p in ((3, 200), (30, 200), (200, 30), (40, 16), (500, 500), (6, 100_000), (5000, 16)):
        r = min(n, p)
        left = np.linalg.qr(rng.normal(size=(n, r)))[0]
        right = np.linalg.qr(rng.normal(size=(p, r)))[0].T
        for kind, values in {
            "flat": np.ones(r),
            "one over k": 1 / np.arange(1, r + 1),
            "ill-conditioned": np.logspace(0, -12, r),
            "two sizes": np.where(np.arange(r) < r / 2, 1e6, 1.0),
            "of rank two": np.where(np.arange(r) < 2, [2.0, 1.0] * (r // 2) + [1.0] * (r % 2), 0),
        }.items():
            for size in (1e-15, 1.0, 1e15):
                x = (left * values) @ right * size
                found[f"{n} x {p}, {kind}, times {size:g}"] = x.astype(np.float32)
        shape = (left / np.arange(1, r + 1)) @ right
        found[f"{n} x {p}, an offset of 1e6"] = (1e6 * np.abs(shape).mean() + shape).astype("f4")
    return found


def try_basis(name):
    from xrdae.autoencoder.basis import find_basis

    x = spectra()[name]
    differences = compared(find_basis(x, 64), x.astype(np.float64))
    assert max(differences.values()) < TOLERANCE, differences
    return "read"


def compared(basis, x):
    """Return by how much a basis differs from the singular value decomposition of float64 `x`.

    All relative to the largest singular value. Directions are compared as the space of all those
    above a clear gap in the spectrum: its projector, by what it leaves over of the other's.
    """
    _, values, vectors = np.linalg.svd(x, full_matrices=False)
    components, r = basis.components.astype(np.float64), len(basis.components)
    largest = values[0]
    found = np.sqrt(basis.variance * len(x))
    left = np.linalg.norm(x - (x @ components.T) @ components)
    differences = {
        "values": np.abs(found - values[:r]).max() / largest,
        "not found": max(0.0, (values[r] if r < min(64, values.size) else 0) / largest),
        "orthonormal": np.abs(components @ components.T - np.eye(r)).max(),
        "reconstruction": abs(left - np.linalg.norm(values[r:])) / np.linalg.norm(values),
    }
    gaps = [k for k in range(1, r) if values[k] < 0.5 * values[k - 1] > 1e-3 * largest]
    for k in [*gaps, *([r] if r == values.size or values[r] < 0.5 * values[r - 1] else [])]:
        if values[k - 1] > 1e-3 * largest:
            inside = vectors[:k] - (vectors[:k] @ components[:k].T) @ components[:k]
            differences[f"space of {k}"] = np.linalg.norm(inside, 2)
    return differences


def some(cases, scale):
    """Return a part of the cases, at least one, spread over all."""
    count = max(1, round(scale * len(cases)))
    order = np.random.default_rng(0).permutation(len(cases))
    return [cases[i] for i in order[:count]]


def rows(scale):
    combined = [(name, settings) for name in datasets() for settings in SETTINGS]
    combined = [case for case in combined if case[0] != LONGEST or case[1] == "default"]
    yield try_in_child(Row(EXTREME, "input"), some(combined, scale), patience=300)
    yield try_in_child(Row(BASES, "input"), some(list(spectra()), scale), patience=300)


EXTREME = "datasets of extreme numbers"
BASES = "spectra against float64 decomposition"

if __name__ == "__main__":
    main(rows, {EXTREME: try_dataset, BASES: try_basis})
