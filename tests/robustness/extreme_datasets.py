"""Datasets of extreme numbers and model input of extreme spectra, for programs and tests.

To try another kind of numbers, add intensities to `make_intensities` or a spectrum to
`make_spectra`. `try_numerics.py` and `tests/laws/test_numerics.py` use them.
"""

import functools

import numpy as np
import xarray as xr

N, P = 24, 200  # patterns, channels
SCALES = (1e-300, 1e-100, 1e-40, 1e-36, 1e-30, 1e-10, 1e10, 1e30, 1e34, 1e100, 1e300)
LONGEST = "100000 channels"


def compute_counts(n=N, points=P, width=0.8):
    """Return counts `(pattern, channel)` of peaks that move and change, without noise."""
    x = np.linspace(0, 1, n)[:, None]
    two_theta = np.linspace(20, 80, points)
    pattern = np.full((n, points), 60.0)
    for centre, moves, height, grows in (
        (25, 0.3, 1.0, 0.0), (33, 0.6, 0.4, 0.8), (45, 1.0, 0.8, -0.5), (58, 1.3, 0.3, 0.5),
    ):  # fmt: skip
        peak = np.exp(-np.square((two_theta - centre - moves * x) / width))
        pattern += 2000 * height * (1 + grows * x) * peak
    return pattern


def draw_counts(n=N, points=P, **options):
    """Return counts `(pattern, channel)` with counting noise."""
    return np.random.default_rng(0).poisson(compute_counts(n, points, **options)).astype(float)


def change_counts(where, value, n=N):
    """Return counts with other values at an index; `value` may be a function of the counts."""
    out = draw_counts(n)
    out[where] = value(out[where]) if callable(value) else value
    return out


@functools.cache
def make_intensities():
    """Return intensities `(pattern, channel)` by name."""
    plain, two = draw_counts(), draw_counts()[[0, -1]]
    kinds = ("f2", "f4", ">f4", ">f8", "i2", "u2", "i4", ">i4", "i8")
    arrays = {f"of type {kind}": plain.astype(kind) for kind in kinds}
    arrays |= {"of type bool": plain > 500, "of type u1": np.clip(plain / 10, 0, 255).astype("u1")}
    arrays |= {f"times {scale:g}": plain * scale for scale in SCALES}
    small = [scale for scale in SCALES if 1e-44 < scale < 1e34]
    arrays |= {f"times {scale:g}, float32": (plain * scale).astype("f4") for scale in small}
    mixed = plain * np.where(np.arange(N) < N // 2, 1e-30, 1e30)[:, None]
    spikes = np.zeros((N, P))
    spikes[np.arange(N), 50 + np.arange(N)] = 1
    every = np.s_[:]
    return arrays | {
        "scales from 1e-30 to 1e30": mixed,
        "scales from 1e-30 to 1e30, float32": mixed.astype("f4"),
        "dead channels": change_counts(np.s_[:, [0, 50, P - 1]], 0),
        "a hot channel": change_counts(np.s_[:, 50], 1e9),
        "a hotter channel": change_counts(np.s_[:, 50], 1e13),
        "a hot channel in one pattern": change_counts(np.s_[7, 50], 1e9),
        "a fill value": change_counts(np.s_[7, 50], 9.96921e36),
        "a negative channel": change_counts(np.s_[:, 50], -1e9),
        "a negative channel in one pattern": change_counts(np.s_[7, 50], -1e9),
        "one strong pattern": change_counts(7, lambda p: 1e6 * p),
        "one weak pattern": change_counts(7, lambda p: 1e-6 * p),
        "each pattern twice": np.repeat(plain[: N // 2], 2, axis=0),
        "all equal": np.repeat(plain[:1], N, axis=0),
        "all equal but for a factor, float32": np.outer(np.linspace(1, 2, N), plain[0]).astype(
            "f4"
        ),
        "all but one equal": np.concatenate([np.repeat(plain[:1], N - 1, axis=0), two[1:]]),
        "three patterns": plain[::11],
        "three equal patterns": np.repeat(plain[:1], 3, axis=0),
        "16 channels": draw_counts(N, 16),
        "3 channels": draw_counts(N, 3),
        "10000 channels": draw_counts(6, 10_000, width=0.05),
        LONGEST: draw_counts(6, 100_000, width=0.005),
        "300 patterns of 16 channels": draw_counts(300, 16),
        "two kinds": np.repeat(two, N // 2, axis=0),
        "one peak that grows": np.outer(np.arange(1, N + 1), np.arange(P) == 100),
        "a spike that moves": spikes,
        "negative parts": plain - 200,
        "mostly negative": plain - 1990,
        "all negative": -plain,
        "zeros": 0 * plain,
        "a pattern of zeros": change_counts(5, 0),
        "constant": 0 * plain + 5,
        "constant channels": change_counts(np.s_[:, 100:], 7),
        "an offset of 1e6": compute_counts() / 1e3 + 1e6,
        "an offset of 1e6, float32": (compute_counts() / 1e3 + 1e6).astype("f4"),
        "no mean": plain - plain.mean(axis=1, keepdims=True),
        "channels never measured": change_counts(np.s_[:, 60:90], np.nan),
        "gaps": change_counts((np.s_[3:9], np.s_[60::3]), np.nan),
        "infinite": change_counts(np.s_[3, 60], np.inf),
        "three channels measured": change_counts(np.s_[4, 3:], np.nan),
        "white noise": np.random.default_rng(1).normal(size=(N, P)),
        "the largest float64": change_counts(
            every, lambda p: np.where(p > 1e3, np.finfo(float).max, p)
        ),
        "the largest float32": change_counts(every, lambda p: np.where(p > 1e3, 3.4e38, p)).astype(
            "f4"
        ),
        "the least int64": np.where(plain < 70, np.iinfo("i8").min, plain.astype("i8")),
        "the largest uint64": np.where(plain > 1e3, np.iinfo("u8").max, plain.astype("u8")),
    }


def make_dataset(intensity):
    """Return a Dataset of intensities `(pattern, channel)` with a label `x`."""
    n, points = intensity.shape
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), intensity)},
        coords={
            "two_theta": ("two_theta", np.linspace(20, 80, points), {"units": "degree"}),
            "wavelength": ((), 1.5406, {"units": "angstrom"}),
            "x": ("pattern", np.linspace(0, 1, n)),
        },
    )


@functools.cache
def make_spectra():
    """Return model input `(pattern, channel)`, float32, with many kinds of spectra, by name."""
    rng = np.random.default_rng(2)
    arrays = {}
    for n, p in ((3, 200), (30, 200), (200, 30), (40, 16), (500, 500), (6, 100_000), (5000, 16)):
        r = min(n, p)
        left_vectors = np.linalg.qr(rng.normal(size=(n, r)))[0]
        right_vectors = np.linalg.qr(rng.normal(size=(p, r)))[0].T
        for kind, values in {
            "flat": np.ones(r),
            "one over k": 1 / np.arange(1, r + 1),
            "ill-conditioned": np.logspace(0, -12, r),
            "two sizes": np.where(np.arange(r) < r / 2, 1e6, 1.0),
            "of rank two": np.where(np.arange(r) < 2, [2.0, 1.0] * (r // 2) + [1.0] * (r % 2), 0),
        }.items():
            for size in (1e-15, 1.0, 1e15):
                x = (left_vectors * values) @ right_vectors * size
                arrays[f"{n} x {p}, {kind}, times {size:g}"] = x.astype(np.float32)
        shape = (left_vectors / np.arange(1, r + 1)) @ right_vectors
        arrays[f"{n} x {p}, an offset of 1e6"] = (1e6 * np.abs(shape).mean() + shape).astype("f4")
    return arrays
