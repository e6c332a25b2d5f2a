import dask.array
import numpy as np
import pytest
import xarray as xr

from xrdae import DataError, load_model
from xrdae.analysis import region_change
from xrdae.analysis.region_change import (
    Reference,
    compare_with_label,
    compare_with_rest,
    fit_smoother,
)
from xrdae.analysis.relevance_results import MEANINGS

POSITIONS = np.linspace(20, 80, 900)
CENTERS = (24, 30, 36, 42, 48, 54, 60, 66, 72, 77)
BOUNDS = np.array([[c - 1.2, c + 1.2] for c in CENTERS])
SMALL = {"members": 2, "steps": 60, "scale": "steady", "progress": False}
STRONG, WEAK, ALONE = 0, 6, 9  # a strong peak that stays, a weak one that changes, a random one
N = 80


def make_series(seed, *, nothing=False):
    """Return a series: peaks 4 to 8 change with x, peaks 0 to 3 stay, and the last is random."""
    rng = np.random.default_rng(seed)
    x = rng.permutation(np.linspace(0, 1, N))
    heights = np.tile([4.0, 1.0, 2.0, 1.5, 1.0, 0.8, 0.4, 0.6, 1.2, 1.0], (N, 1))
    if not nothing:
        heights[:, 4:9] *= 1 + np.outer(x - 0.5, [0.8, -0.9, 1.2, 0.7, -0.8])
    heights[:, ALONE] *= rng.uniform(0.2, 1.8, N)
    shapes = np.exp(-(((POSITIONS - np.array(CENTERS)[:, None]) / 0.35) ** 2))
    expected = (1000 * heights @ shapes + 30) * np.exp(rng.normal(0, 0.3, N))[:, None]
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), rng.poisson(expected) * 1.0, {"units": "counts"})},
        coords={
            "two_theta": ("two_theta", POSITIONS, {"units": "degree"}),
            "x": ("pattern", x, {"units": "K", "long_name": "heat"}),
            "other": ("pattern", rng.permutation(x)),
        },
    )


@pytest.fixture(scope="module")
def changing():
    return make_series(0)


@pytest.fixture(scope="module")
def model(changing):
    return changing.xrdae.fit(**SMALL)


@pytest.fixture(scope="module")
def result(changing, model):
    return changing.xrdae.relevance(model, regions=BOUNDS, label="x")


def test_verdicts_tell_a_strong_irrelevant_and_a_weak_relevant_peak(result):
    verdict = result["relevance_verdict"]
    assert verdict.attrs["flag_meanings"] == MEANINGS
    np.testing.assert_array_equal(verdict.attrs["flag_values"], [-1, 0, 1, 2])
    assert verdict.values.tolist() == [-1, -1, -1, -1, 1, 1, 1, 1, 1, 2]
    assert "80 training patterns" in verdict.attrs["reference"]
    assert float(result["region_std"][STRONG]) > float(result["region_std"][WEAK]) * 0.2
    assert (result["relevance_excess"][4:9] > 0).all()
    assert (result["relevance_significance"][:4] < -2).all()


def test_the_change_is_that_of_the_label(result, changing):
    change, by_label = result["region_change"], result["x_change"]
    assert change.attrs["units"] == "counts"
    np.testing.assert_allclose(by_label[4:9], change[4:9], rtol=0.15)
    assert result["x_verdict"].values.tolist()[:9] == [-1, -1, -1, -1, 1, 1, 1, 1, 1]
    assert (result["x_pvalue"][4:9] <= 0.005).all()
    assert result["x_slope"].attrs["units"] == "1/(K)"
    expected = np.array([0.8, -0.9, 1.2, 0.7, -0.8])
    np.testing.assert_allclose(result["x_slope"][4:9], expected, atol=0.1)
    assert (result["x_r2"][4:9] > 0.8).all()
    assert (result["x_r2"][:4] < 0.3).all()
    assert result["x_shift"].dims == ("pattern", "region")
    assert "heat" in result["x_change"].attrs["long_name"]


def test_where_nothing_changes_nothing_is_relevant():
    called = pvalues = 0
    for seed in range(3):
        nothing = make_series(seed, nothing=True)
        out = nothing.xrdae.relevance(nothing.xrdae.fit(**SMALL), regions=BOUNDS, label="x")
        called += int((out["relevance_verdict"] == 1).sum())
        pvalues += int((out["x_pvalue"] < 0.05).sum())
    assert called <= 1
    assert pvalues <= 5


def test_p_values_of_random_labels_are_uniform():
    rng = np.random.default_rng(0)
    pvalues = []
    for seed in range(12):
        reference = Reference(rng.normal(size=(60, 400)))
        label = np.random.default_rng(seed).normal(size=60)
        smoother = fit_smoother(((label - label.mean()) / label.std())[:, None], 0.7)
        regions = np.stack([np.arange(0, 400, 10), np.arange(10, 410, 10)], axis=1)
        _, found = compare_with_label(reference, regions, smoother, noise=1.0, seed=seed)
        pvalues.append(found)
    pvalues = np.concatenate(pvalues)
    assert 0.02 < (pvalues < 0.05).mean() < 0.09
    assert 0.42 < (pvalues < 0.5).mean() < 0.58


def test_residuals_are_those_of_a_smoother_without_the_pattern():
    rng = np.random.default_rng(0)
    coordinates, values = rng.normal(size=(30, 2)), rng.normal(size=(30, 4))
    found = fit_smoother(coordinates, 1.0).find_residuals(values)
    rest = np.arange(30) != 7
    weights = fit_smoother(coordinates[rest], 1.0).weigh(coordinates[7:8])
    np.testing.assert_allclose(found[7], values[7] - (weights @ values[rest])[0], atol=1e-9)


def test_scores_of_the_references_are_their_coordinates():
    reference = Reference(np.random.default_rng(0).normal(size=(40, 200)))
    rest = reference.find_rest(50, 70)
    found = reference.project(rest, reference.centered, reference.products)
    np.testing.assert_allclose(found, rest.smoother.coordinates, atol=1e-8)


def test_a_region_and_its_neighbourhood_do_not_confirm_themselves():
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(60, 300))
    patterns[:, 100:130] += 20 * rng.normal(size=(60, 1))  # one broad peak, three regions wide
    regions = np.array([[110, 120]])
    _, change = compare_with_rest(Reference(patterns), regions, noise=1.0)
    assert change.verdict[0] == region_change.VARIES_ALONE


def test_the_fast_path_equals_replacing_and_encoding_again(changing, model):
    some = changing.isel(pattern=slice(0, 6))
    out = model.relevance(some, regions=BOUNDS)
    compared = model._kernels.find_training_reference()
    channels = np.searchsorted(POSITIONS, BOUNDS)
    inputs = model.model_input(some)
    patterns, scale = compared.prepare(inputs.values)
    known = compared.regions
    centered = patterns - known.mean
    before = model.encode(some)["latent"].values
    gain = model.autoencoder.preparation.gain
    for i in (4, 6):
        start, stop = channels[i]
        stop += 1 if POSITIONS[stop] <= BOUNDS[i, 1] else 0
        rest = known.find_rest(start, stop)
        scores = known.project(rest, centered, centered @ known.centered.T)
        own = rest.smoother.weigh(scores) @ known.centered[:, start:stop]
        shifts = []
        for target in np.unique(np.linspace(0, N - 1, 8).astype(int)):
            there = rest.smoother.coordinates[target : target + 1]
            implied = rest.smoother.weigh(there) @ known.centered[:, start:stop]
            changed = inputs.values.copy()
            changed[:, start:stop] += (implied - own) * scale[:, None] / gain
            moved = model.encode(some, inputs=inputs.copy(data=changed))["latent"].values
            shifts.append(moved - before)
        expected = np.linalg.norm(shifts, axis=2).mean(axis=0)
        np.testing.assert_allclose(out["relevance"][:, i], expected, atol=1e-4)
        np.testing.assert_allclose(out["latent_shift"][:, i], np.mean(shifts, axis=0), atol=1e-4)


def test_channels_that_a_pattern_lacks_are_not_replaced(changing, model, result):
    axis = changing["two_theta"]
    start, stop = BOUNDS[WEAK]
    without = changing.isel(pattern=[3]).where((axis < start) | (axis > stop))
    without = without.assign_coords(changing.isel(pattern=[3]).coords)
    out = without.xrdae.relevance(model, regions=BOUNDS)
    assert float(out["relevance"][0, WEAK]) == 0
    assert float(out["relevance"][0, 4]) > 0
    half = changing.isel(pattern=[3]).where((axis < start) | (axis > start + 0.6))
    half = half.assign_coords(changing.isel(pattern=[3]).coords)
    part = half.xrdae.relevance(model, regions=BOUNDS)["relevance"][0, WEAK]
    assert 0 < float(part) < 1.5 * float(result["relevance"][3, WEAK])


def test_relevance_is_zero_where_no_change_is_confirmed(result):
    unconfirmed = result["region_change"] == 0
    assert unconfirmed.any()
    assert (result["relevance"].where(unconfirmed, 0) == 0).all()
    assert (result["relevance"].isel(region=WEAK) > 0).all()


def test_a_pattern_s_relevance_does_not_depend_on_other_patterns(changing, model, result):
    alone = changing.isel(pattern=[11]).xrdae.relevance(model, regions=BOUNDS)
    np.testing.assert_allclose(alone["relevance"][0], result["relevance"][11], atol=1e-5)
    np.testing.assert_array_equal(alone["relevance_verdict"], result["relevance_verdict"])


def test_lazy_patterns_stay_lazy_and_give_the_same(changing, model, result):
    lazy = changing.chunk(pattern=9).xrdae.relevance(model, regions=BOUNDS)
    assert isinstance(lazy["relevance"].data, dask.array.Array)
    np.testing.assert_allclose(lazy["relevance"], result["relevance"], atol=1e-5)


def test_a_factor_does_not_change_relevance(changing, model, result):
    louder = changing.assign(intensity=17 * changing["intensity"])
    out = louder.xrdae.relevance(model, regions=BOUNDS)
    np.testing.assert_allclose(out["relevance"], result["relevance"], atol=1e-4)


def test_given_patterns_are_the_reference_instead(changing, model, result):
    same = changing.xrdae.relevance(model, regions=BOUNDS, label="x", reference=changing)
    np.testing.assert_allclose(same["region_change"], result["region_change"], rtol=1e-2)
    assert "80 given patterns" in same["relevance_verdict"].attrs["reference"]
    rich = xr.where(changing["x"] > 0.5, "rich", "poor").drop_attrs()
    named = changing.assign_coords(kind=("pattern", rich.values.astype(object)))
    out = changing.xrdae.relevance(model, regions=BOUNDS, label=["kind", "x"], reference=named)
    assert out["kind_verdict"].values.tolist()[4:9] == [1, 1, 1, 1, 1]
    assert "kind_slope" not in out
    assert "x_slope" in out


def test_without_a_steady_peak_no_region_is_called_irrelevant():
    rng = np.random.default_rng(0)
    heights = np.exp(rng.normal(0, 0.5, (N, len(CENTERS))))
    shapes = np.exp(-(((POSITIONS - np.array(CENTERS)[:, None]) / 0.35) ** 2))
    counts = rng.poisson(1000 * heights @ shapes + 30) * 1.0
    unsteady = make_series(0).assign(intensity=(("pattern", "two_theta"), counts))
    model = unsteady.xrdae.fit(**(SMALL | {"scale": "max"}))
    with pytest.warns(UserWarning, match="no peak is steady for certain"):
        out = unsteady.xrdae.relevance(model, regions=BOUNDS)
    assert (out["relevance_verdict"] >= 0).all()
    assert "no peak is steady" in out["relevance_verdict"].attrs["undecided_because"]


def test_few_patterns_decide_nothing(changing):
    few = changing.isel(pattern=slice(0, 7))
    model = few.xrdae.fit(**(SMALL | {"scale": "max"}))
    out = few.xrdae.relevance(model, regions=BOUNDS)
    assert (out["relevance_verdict"] == 0).all()
    assert "7 reference patterns" in out["relevance_verdict"].attrs["undecided_because"]


@pytest.mark.parametrize(
    ("label", "match"),
    [("absent", "no numeric label 'absent'"), ("same", "the same 'same'"), ("rare", "only 3")],
)
def test_labels_that_tell_nothing_are_refused(changing, label, match):
    rare = np.where(np.arange(N) < 3, 1.0 * np.arange(N), np.nan)
    labelled = changing.assign_coords(same=("pattern", np.ones(N)), rare=("pattern", rare))
    model = labelled.xrdae.fit(**SMALL)
    with pytest.raises(DataError, match=match):
        labelled.xrdae.relevance(model, regions=BOUNDS, label=label)


def test_a_saved_model_gives_the_same_relevance(changing, model, result, tmp_path):
    model.save(tmp_path / "model.nc")
    out = changing.xrdae.relevance(load_model(tmp_path / "model.nc"), regions=BOUNDS)
    np.testing.assert_array_equal(out["relevance"], result["relevance"])
    np.testing.assert_array_equal(out["region_change"], result["region_change"])


def test_one_region_and_no_peak_at_all_are_undecided():
    rng = np.random.default_rng(0)
    noise = make_series(0).assign(
        intensity=(("pattern", "two_theta"), rng.poisson(np.full((N, 900), 50.0)) * 1.0)
    )
    model = noise.xrdae.fit(**(SMALL | {"scale": "area"}))
    out = noise.xrdae.relevance(model, regions=[[30.0, 34.0]])
    assert int(out["relevance_verdict"][0]) in (0, 2)
