"""What is said of patterns as they arrive."""

import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae import plugins
from xrdae.live.notification import RECENT, Observer


@pytest.fixture
def registered():
    """Register plugins for the time of a test."""
    made = []

    def register(plugin, name):
        plugins.manager().register(plugin, name)
        made.append(plugin)

    yield register
    for plugin in made:
        plugins.manager().unregister(plugin)


def test_results_equal_those_of_analyze_and_mark_novel_patterns(series, model):
    found = Observer(model).results(series)
    whole = xrdae.analyze(series, model)
    for name in ("latent", "novelty", "relevance", "latent_shift"):
        xr.testing.assert_equal(found[name], whole[name])
    np.testing.assert_array_equal(found["novel"], whole["novelty"] > 1)
    assert found["novel"].dtype == bool
    strict = Observer(model, threshold=float(whole["novelty"].min())).results(series)
    assert int(strict["novel"].sum()) == series.sizes["pattern"] - 1


def test_a_pattern_without_intensity_is_not_novel_and_warns_of_nothing(series, model):
    dark = series.assign(intensity=series["intensity"].where(series["pattern"] != 2, 0.0))
    found = Observer(model).results(dark)
    assert np.isnan(found["latent"].values[2]).all()
    assert not found["novel"].values[2]


def test_every_plugin_receives_a_result_although_one_fails(series, model, registered):
    class Broken:
        @xrdae.hookimpl
        def xrdae_on_result(self, result):
            raise RuntimeError("no pager")

    class Deaf:
        @xrdae.hookimpl
        def xrdae_on_result(self):
            heard.append(True)

    class Pager:
        @xrdae.hookimpl
        def xrdae_on_result(self, result):
            heard.append(result)

    heard = []
    registered(Pager(), "pager")
    registered(Deaf(), "deaf")
    registered(Broken(), "broken")  # the last one is asked first
    observer = Observer(model)
    result = observer.results(series)
    with pytest.warns(UserWarning, match="'broken' failed: RuntimeError: no pager"):
        observer.announce(result)
    assert heard[0] is True
    assert heard[1] is result


def test_drift_is_reported_once_until_novelty_is_low_again(model):
    observer = Observer(model)
    usual, high = np.zeros(RECENT, bool), np.ones(RECENT, bool)
    some = usual.copy()
    some[::5] = True
    assert observer.check_drift(some) is None
    assert "xrdae fit DATA --update" in observer.check_drift(high)
    assert observer.check_drift(high) is None
    assert observer.check_drift(usual) is None
    assert observer.check_drift(high[:5]) is None
    assert "of the last 20 patterns are novel" in observer.check_drift(high[:5])
