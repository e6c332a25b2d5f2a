"""Program: datasets of extreme numbers under many settings, and bases compared with numpy's.

Each dataset is fitted and passed to every method. Either all results are finite, or the fit refuses
the data with an error that names a pattern. Warnings are errors, except the expected ones.
"""

import warnings

import numpy as np
from scipy.ndimage import binary_erosion

from extreme_datasets import LONGEST, make_dataset, make_intensities, make_spectra
from harness import Row, main, try_in_child

FAST = {"steps": 15, "members": 2, "hidden": (8,), "progress": False}
SETTINGS = {
    "default": {},
    "area": {"scale": "area"},
    "snip": {"background": "snip", "background_options": {"max_half_window": 6}},
    "arpls": {"background": "arpls", "scale": "area"},
    "log_q": {"grid": "log_q", "points": 150, "n_latent": 1},
    "changes": {"strain": 0.002, "zero_shift": 0.05, "texture": 0.2, "background_change": 0.1},
}
EXPECTED_WARNINGS = (
    "lie outside the training data",
    "count as equal",
    "are not ordered along",
    "intensities are infinite",
    "almost all baseline points",
    "no peak is steady for certain",
    "have no effect",  # this and the last come from pybaselines, for unusual options
)
FEWEST = 10  # labelled patterns that an estimate needs
TOLERANCE = 1e-4


def apply_methods(dataset, model):
    """Yield the name and the result of each method for a dataset."""
    methods = dataset.xrdae
    yield "encode", methods.encode(model)
    yield "reconstruct", methods.reconstruct(model)
    for fill in ("conditional", "background", "zero", "mean"):
        yield f"relevance, {fill}", methods.relevance(model, fill=fill)
    yield "between", methods.synthesize(model, between=(0, -1), n=3, endpoints=True)
    yield "at", methods.synthesize(model, at={"x": [0.3, 0.5]})
    if dataset.sizes["pattern"] >= FEWEST:
        yield "estimate", methods.estimate(model, "x")
    yield "decode", model.decode(model.labels["latent"]).to_dataset(name="decoded")


def try_dataset(case):
    name, settings = case
    warnings.simplefilter("error")
    for message in EXPECTED_WARNINGS:
        warnings.filterwarnings("ignore", f".*{message}")
    import xrdae

    dataset = make_dataset(make_intensities()[name])
    before = dataset.copy(deep=True)
    try:
        model = dataset.xrdae.fit(**FAST, **SETTINGS[settings])
    except xrdae.DataError as error:
        if "pattern {'pattern': " not in str(error):
            raise
        return "refused"
    assert np.isfinite(model.history["loss"]).all()
    for method, result in apply_methods(dataset, model):
        for variable in set(result.data_vars) - set(dataset.data_vars):
            values = result[variable]
            if method == "decode":  # on the axis of the model
                values = values[:, np.isfinite(model.autoencoder.preparation.mean)]
            elif values.sizes.get("two_theta", 0) > 1:
                # Channels without data are NaN, and on another grid their neighbours too.
                known = np.isfinite(dataset["intensity"]).any("pattern").values
                if model.config.grid != "data":
                    known = binary_erosion(known, iterations=2, border_value=1)
                values = values[:, known]
            if not np.isfinite(values).all():
                raise AssertionError(f"{method}: {variable} is not finite")
    return "read" if dataset.identical(before) else "lost"


def try_basis(name):
    from xrdae.autoencoder.basis import find_basis

    x = make_spectra()[name]
    differences = compare_basis(find_basis(x, 64), x.astype(np.float64))
    assert max(differences.values()) < TOLERANCE, differences
    return "read"


def compare_basis(basis, x):
    """Return the differences of a basis from the singular value decomposition of float64 `x`.

    Differences are relative to the largest singular value. Directions above a clear gap in the
    spectrum are compared as a space: by the residual of one space after projection on the other.
    """
    _, values, vectors = np.linalg.svd(x, full_matrices=False)
    components, r = basis.components.astype(np.float64), len(basis.components)
    largest = values[0]
    basis_values = np.sqrt(basis.variance * len(x))
    residual = np.linalg.norm(x - (x @ components.T) @ components)
    differences = {
        "values": np.abs(basis_values - values[:r]).max() / largest,
        "not found": max(0.0, (values[r] if r < min(64, values.size) else 0) / largest),
        "orthonormal": np.abs(components @ components.T - np.eye(r)).max(),
        "reconstruction": abs(residual - np.linalg.norm(values[r:])) / np.linalg.norm(values),
    }
    gaps = [k for k in range(1, r) if values[k] < 0.5 * values[k - 1] > 1e-3 * largest]
    for k in [*gaps, *([r] if r == values.size or values[r] < 0.5 * values[r - 1] else [])]:
        if values[k - 1] > 1e-3 * largest:
            outside = vectors[:k] - (vectors[:k] @ components[:k].T) @ components[:k]
            differences[f"space of {k}"] = np.linalg.norm(outside, 2)
    return differences


def choose_cases(cases, scale):
    """Return a random sample of the cases, at least one."""
    count = max(1, round(scale * len(cases)))
    order = np.random.default_rng(0).permutation(len(cases))
    return [cases[i] for i in order[:count]]


def try_rows(scale):
    combined = [(name, settings) for name in make_intensities() for settings in SETTINGS]
    # The longest patterns take a minute: try them with one of the settings.
    combined = [case for case in combined if case[0] != LONGEST or case[1] == "default"]
    yield try_in_child(Row(EXTREME, "input"), choose_cases(combined, scale), patience=300)
    yield try_in_child(Row(BASES, "input"), choose_cases(list(make_spectra()), scale), patience=300)


EXTREME = "datasets of extreme numbers"
BASES = "spectra against float64 decomposition"

if __name__ == "__main__":
    main(try_rows, {EXTREME: try_dataset, BASES: try_basis})
