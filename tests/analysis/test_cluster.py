import json

import numpy as np
import pytest
import xarray as xr

import xrdae
from blobs import make_blobs
from xrdae.analysis.consensus import measure_agreement

FAST = {"steps": 100, "members": 2, "progress": False}


@pytest.fixture(scope="module", autouse=True)
def few_halves():
    """Fewer random splits than usual, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xrdae.analysis.cluster_number.HALVES", 4)
        yield


@pytest.fixture(scope="module")
def blobs():
    return make_blobs()


@pytest.fixture(scope="module")
def fitted(blobs):
    return blobs.xrdae.fit(**FAST)


@pytest.fixture(scope="module")
def result(blobs, fitted):
    return blobs.xrdae.cluster(fitted)


@pytest.mark.parametrize("phases", [2, 3, 5, 8])
def test_phases_are_found_and_counted(phases):
    blobs = make_blobs(phases, n=96)
    out = blobs.xrdae.cluster(blobs.xrdae.fit(**FAST))
    assert out.sizes["cluster_axis"] == phases
    assert measure_agreement(out["cluster"], out["phase"]) == 1
    assert out["cluster"].attrs["stability"] > 0.8
    assert out["cluster"].attrs["is_stable"] == 1


def test_clusters_are_cf_flags_with_probabilities_and_margins(result):
    cluster = result["cluster"]
    assert cluster.attrs["flag_values"].tolist() == [-2, -1, 0, 1, 2]
    assert cluster.attrs["flag_meanings"] == "unknown between cluster_0 cluster_1 cluster_2"
    assert cluster.dtype == cluster.attrs["flag_values"].dtype
    probability = result["cluster_probability"]
    np.testing.assert_allclose(probability.sum("cluster_axis"), 1, atol=1e-6)
    np.testing.assert_array_equal(probability.argmax("cluster_axis"), cluster)
    assert float(result["cluster_margin"].min()) > 0.7
    curve = json.loads(cluster.attrs["stability_curve"])
    assert len(curve["n"]) == len(curve["stability"]) == len(curve["separation"])
    best = np.argmax(np.add(curve["stability"], curve["separation"]))
    assert curve["n"][best] == 3


def test_the_mean_patterns_and_regions_are_those_of_the_phases(blobs, fitted, result):
    intensity = blobs["intensity"].values
    scaled = intensity / intensity.max(axis=1, keepdims=True)
    scaled *= fitted.autoencoder.preparation.typical_scale
    centers = np.random.default_rng(1).uniform(22, 78, (3, 4))
    regions = json.loads(result["cluster_pattern"].attrs["distinguishing_regions"])
    assert result["cluster_pattern"].attrs["distinguishing_regions_units"] == "degree"
    for number in range(3):
        own = (result["cluster"] == number).values
        found = result["cluster_pattern"].values[number]
        np.testing.assert_allclose(found, scaled[own].mean(axis=0), rtol=1e-3)
        phase = int(str(blobs["phase"].values[own][0])[1:])
        for region in regions[number]:
            peaks = centers[phase] if region["difference"] > 0 else np.delete(centers, phase, 0)
            assert np.any((region["start"] < peaks) & (peaks < region["stop"]))


def test_patterns_between_two_phases_are_in_no_cluster():
    blobs = make_blobs(2, mixed=1)
    out = blobs.xrdae.cluster(blobs.xrdae.fit(**FAST), 2)
    assert int(out["cluster"][-1]) == -1
    assert float(out["cluster_margin"][-1]) < 0.5
    assert int((out["cluster"] == -1).sum()) <= 3
    table = out.xrdae.compare_clusters("phase")
    assert table.sel(cluster="between", phase="mixed") == 1


def test_clusters_are_numbered_by_size_or_along_a_label(blobs, fitted):
    some = blobs.isel(pattern=np.r_[0:30, 31:60:3])
    out = some.xrdae.cluster(fitted)
    sizes = [int((out["cluster"] == j).sum()) for j in range(3)]
    assert sizes == sorted(sizes, reverse=True)
    out = some.xrdae.cluster(fitted, label="t")
    means = [float(out["t"][out["cluster"] == j].mean()) for j in range(3)]
    assert means == [280, 290, 300]
    assert out["cluster"].attrs["numbered_by"] == "t"


def test_noise_alone_has_no_stable_clusters():
    noise = make_blobs(1, n=80)
    model = noise.xrdae.fit(**FAST)
    with pytest.warns(UserWarning, match="clusters are not stable: .* do not trust them"):
        out = noise.xrdae.cluster(model)
    assert out["cluster"].attrs["stability"] < 0.5
    assert out["cluster"].attrs["is_stable"] == 0


def test_the_order_of_patterns_and_dimensions_does_not_matter(blobs, fitted, result):
    order = np.random.default_rng(0).permutation(60)
    mixed = blobs.isel(pattern=order).transpose("two_theta", "pattern")
    out = mixed.xrdae.cluster(fitted)
    np.testing.assert_array_equal(out["cluster"], result["cluster"][order])
    np.testing.assert_allclose(
        out["cluster_probability"], result["cluster_probability"][order], atol=1e-6
    )


def test_the_same_seed_gives_the_same_clusters(blobs, fitted, result):
    xr.testing.assert_identical(blobs.xrdae.cluster(fitted), result)


def test_lazy_data_give_the_same_lazy_clusters(blobs, fitted, result):
    out = blobs.chunk(pattern=7).xrdae.cluster(fitted)
    for name in ("cluster", "cluster_probability", "cluster_margin"):
        assert out[name].chunks is not None
        xr.testing.assert_allclose(out[name].compute(), result[name])


def test_copies_of_patterns_do_not_change_the_clusters(blobs, fitted, result):
    twice = xr.concat([blobs, blobs.isel(pattern=slice(0, 20))], "pattern")
    out = twice.xrdae.cluster(fitted)
    assert measure_agreement(out["cluster"][:60], result["cluster"]) == 1
    np.testing.assert_array_equal(out["cluster"][60:], out["cluster"][:20])


def test_a_map_has_the_clusters_of_its_patterns(blobs, fitted, result):
    flat = blobs.assign_coords(pattern=np.arange(60))
    grid = flat.coarsen(pattern=10).construct(pattern=("y", "x")).drop_vars("pattern")
    out = grid.set_coords(["phase", "t"]).xrdae.cluster(fitted)
    assert out["cluster"].dims == ("y", "x")
    np.testing.assert_array_equal(out["cluster"].values.ravel(), result["cluster"])


def test_patterns_without_latents_are_unknown_and_gaps_are_filled(blobs, fitted, result):
    intensity = blobs["intensity"].copy()
    intensity[3] = np.nan
    intensity[5, 40:60] = np.nan
    with pytest.warns(UserWarning, match="no positive finite intensity"):
        out = blobs.assign(intensity=intensity).xrdae.cluster(fitted)
    assert int(out["cluster"][3]) == -2
    assert np.isnan(out["cluster_margin"][3])
    assert np.isnan(out["cluster_probability"][3]).all()
    rest = np.arange(60) != 3
    assert measure_agreement(out["cluster"][rest], result["cluster"][rest]) == 1


def test_new_patterns_get_the_clusters_of_a_reference(blobs, fitted, result):
    new = make_blobs(n=6, seed=5)
    out = new.drop_vars("t").xrdae.cluster(fitted, reference=blobs, label="t")
    assert out["cluster"].values.tolist() == [2, 1, 0, 2, 1, 0]
    again = blobs.xrdae.cluster(fitted, reference=blobs)
    xr.testing.assert_identical(again["cluster"], result["cluster"])


def test_of_many_patterns_some_are_enough(blobs, fitted, monkeypatch):
    monkeypatch.setattr("xrdae.analysis.cluster.MOST_PATTERNS", 30)
    out = blobs.xrdae.cluster(fitted)
    assert out["cluster"].attrs["reference_patterns"] == 30
    assert measure_agreement(out["cluster"], out["phase"]) == 1


def test_another_axis_gives_the_same_clusters_on_that_axis(blobs, fitted, result):
    q = 4 * np.pi * np.sin(np.radians(blobs["two_theta"].values / 2)) / 1.5406
    other = blobs.assign_coords(two_theta=q).rename(two_theta="q")
    other["q"].attrs = {"units": "1/angstrom"}
    out = other.xrdae.cluster(fitted)
    assert measure_agreement(out["cluster"], result["cluster"]) == 1
    assert out["cluster_pattern"].dims == ("cluster_axis", "q")
    for region in json.loads(out["cluster_pattern"].attrs["distinguishing_regions"])[0]:
        assert q.min() <= region["start"] < region["stop"] <= q.max()


def test_clusters_survive_a_file(result, tmp_path):
    result.to_netcdf(tmp_path / "clusters.nc")
    with xr.open_dataset(tmp_path / "clusters.nc") as again:
        xr.testing.assert_equal(again["cluster"], result["cluster"])
        attrs = again["cluster"].attrs
        assert attrs["flag_values"].tolist() == [-2, -1, 0, 1, 2]
        assert attrs["stability_curve"] == result["cluster"].attrs["stability_curve"]
        assert again.xrdae.compare_clusters("phase").attrs["adjusted_rand"] == 1


def test_another_number_replaces_the_clusters(result, fitted):
    out = result.xrdae.cluster(fitted, 5)
    assert out.sizes["cluster_axis"] == 5
    assert int(out["cluster"].max()) == 4


def test_mean_patterns_of_signed_data_are_signed(blobs):
    signed = blobs.assign(intensity=blobs["intensity"] - 500)
    model = signed.xrdae.fit(scale="std", **FAST)
    out = signed.xrdae.cluster(model)
    assert measure_agreement(out["cluster"], out["phase"]) == 1
    own = signed["intensity"].values[(out["cluster"] == 0).values]
    expected = (own / own.std(axis=1, keepdims=True)).mean(axis=0)
    found = out["cluster_pattern"].values[0] / model.autoencoder.preparation.typical_scale
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert found.min() < -0.3


@pytest.mark.parametrize("transform", ["log", "sqrt"])
def test_mean_patterns_are_means_of_intensities_also_after_a_transform(blobs, result, transform):
    out = blobs.xrdae.cluster(blobs.xrdae.fit(transform=transform, **FAST))
    assert measure_agreement(out["cluster"], out["phase"]) == 1
    order = [int(out["cluster"][(result["cluster"] == j).values][0]) for j in range(3)]
    expected = result["cluster_pattern"].values
    found = out["cluster_pattern"].values[order]
    np.testing.assert_allclose(found, expected, atol=0.01 * expected.max())


@pytest.mark.parametrize(
    ("options", "say"),
    [
        ({"n": 1}, "n=1 is no number of clusters; give 'auto' or a whole number above 1"),
        ({"n": 2.5}, "n=2.5 is no number"),
        ({"n": "many"}, "n='many' is no number"),
        ({"n": 61}, "n=61 is more than the 60 patterns"),
        ({"label": "zr"}, r"no numeric label 'zr' .* they have \['t'\]"),
        ({"label": "phase"}, r"no numeric label 'phase'"),
    ],
)
def test_what_cannot_be_clustered_is_refused(blobs, fitted, options, say):
    with pytest.raises(xrdae.DataError, match=say):
        blobs.xrdae.cluster(fitted, **options)


def test_few_and_equal_patterns_are_refused(blobs, fitted):
    with pytest.raises(xrdae.DataError, match=r"only 9 patterns have latents.*reference="):
        blobs.isel(pattern=slice(9)).xrdae.cluster(fitted)
    equal = blobs.isel(pattern=[0] * 20)
    with pytest.raises(xrdae.DataError, match="all 20 patterns are equal"):
        equal.assign(intensity=equal["intensity"] * np.linspace(1, 3, 20)[:, None]).pipe(
            lambda ds: ds.transpose("pattern", "two_theta").xrdae.cluster(fitted)
        )
    three = blobs.isel(pattern=[0, 1, 2] * 5)
    with pytest.raises(xrdae.DataError, match="only 3 groups that differ; n=4 is too large"):
        three.xrdae.cluster(fitted, 4)


def test_clusters_are_compared_with_any_classes(result):
    table = result.xrdae.compare_clusters("phase")
    assert table.dims == ("cluster", "phase")
    assert int(table.sum()) == 60
    assert table.attrs["adjusted_rand"] == 1
    assert table.attrs["between"] == 0
    flags = {"flag_values": np.array([0, 1]), "flag_meanings": "cold hot"}
    labelled = result.assign_coords(
        state=("pattern", np.arange(60) % 2, flags), unknown=("pattern", [""] * 60),
        values=("pattern", np.linspace(0, 1, 60)),
    )  # fmt: skip
    assert labelled.xrdae.compare_clusters("state")["state"].values.tolist() == ["cold", "hot"]
    assert abs(labelled.xrdae.compare_clusters("state").attrs["adjusted_rand"]) < 0.1
    assert result.xrdae.compare_clusters("t")["t"].values.tolist() == ["280", "290", "300"]
    for label, say in (
        ("nothing", "no label 'nothing'"),
        ("unknown", "no pattern has both"),
        ("values", "more than 50 different numbers"),
    ):
        with pytest.raises(xrdae.DataError, match=say):
            labelled.xrdae.compare_clusters(label)
    with pytest.raises(xrdae.DataError, match=r"no 'cluster'; add it: ds\.xrdae\.cluster"):
        result.drop_vars("cluster").xrdae.compare_clusters("phase")


def test_the_agreement_is_the_adjusted_rand_index():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for k in (1, 2, 5, 40):
        one, other = rng.integers(0, k, 40), rng.integers(0, 3, 40)
        expected = metrics.adjusted_rand_score(one, other)
        assert measure_agreement(one, other) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["batio3_temperature", "bi_cu_v_o"])
def test_phases_of_measured_patterns_are_found(real_data, name):
    series = xr.load_dataset(real_data(f"{name}.nc")).fillna(0)
    label = {"batio3_temperature": "phase_nominal", "bi_cu_v_o": "main_phase_drnets"}[name]
    model = series.xrdae.fit(steps=300, members=2, progress=False)
    table = series.xrdae.cluster(model).xrdae.compare_clusters(label).attrs
    assert table["adjusted_rand"] > 0.5
    assert table["adjusted_rand_without_between"] > table["adjusted_rand"]
    assert 0.02 < table["between"] < 0.3
