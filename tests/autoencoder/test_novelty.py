import numpy as np

from xrdae.autoencoder.novelty import FALSE_POSITIVES


def novelty(model, series, intensity):
    return series.copy(data={"intensity": intensity}).xrdae.encode(model)["novelty"].values


def test_a_phase_that_training_never_saw_is_flagged_and_familiar_patterns_are_not(simulated_series):
    known = simulated_series(120)
    model = known.xrdae.fit(steps=300, members=4, hidden=(32, 32), progress=False)
    other = simulated_series(120, seed=7)
    familiar = other.xrdae.encode(model)["novelty"].values
    assert np.mean(familiar > 1) < FALSE_POSITIVES + 0.1
    two_theta = other["two_theta"].values
    foreign = 100 * np.exp(-(((two_theta - 39) / 0.8) ** 2))  # 5 % of the strongest peak
    counts = np.random.default_rng(1).poisson(foreign, other["intensity"].shape)
    flagged = novelty(model, other, other["intensity"].values + counts)
    assert np.mean(flagged > 1) > 0.95


def test_a_pattern_from_outside_the_series_is_novel_by_its_place(series, model):
    centre = model.labels["latent"].values.mean(axis=0)
    far = model.support.novelty(np.stack([centre + 9]))
    assert far[0] > 1
    assert np.isnan(model.support.novelty(np.full((1, 2), np.nan))).all()


def test_about_one_in_twenty_training_patterns_would_be_novel(simulated_series):
    known = simulated_series(200)
    model = known.xrdae.fit(steps=300, members=4, hidden=(32, 32), progress=False)
    assert float((known.xrdae.encode(model)["novelty"] > 1).mean()) <= 2 * FALSE_POSITIVES
