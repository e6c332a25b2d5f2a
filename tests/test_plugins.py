import inspect
import os
import subprocess
import sys

import numpy as np
import pluggy
import pytest
import xarray as xr

import xrdae
from xrdae import builtin, hookspecs, plugins

HOOKS = [name for name in vars(hookspecs) if name.startswith("xrdae_")]
OBSERVERS = ["xrdae_on_result"]  # told of what was done; nobody has to listen


@pytest.mark.parametrize("name", [name for name in HOOKS if name not in OBSERVERS])
def test_every_hook_has_a_built_in_step_with_the_same_arguments(name):
    spec, step = getattr(hookspecs, name), getattr(builtin, name)
    assert list(inspect.signature(spec).parameters) == list(inspect.signature(step).parameters)
    assert len(spec.__doc__.splitlines()) == 1


def test_the_built_in_steps_come_in_by_entry_point():
    assert plugins.manager().get_plugin("builtin") is builtin
    assert plugins.manager() is plugins.manager()


def test_a_plugin_that_replaces_the_model_input_changes_latents_and_relevance(series, model):
    class Flat:
        @xrdae.hookimpl
        def xrdae_model_input(self, dataset, model):
            return model.model_input(dataset) * 0

    before = series.xrdae.encode(model)["latent"]
    plugin = Flat()
    plugins.manager().register(plugin)
    try:
        during = series.xrdae.encode(model)["latent"]
        relevance = series.xrdae.relevance(model)["relevance"]
        reconstructed = series.xrdae.reconstruct(model)["reconstruction"]
    finally:
        plugins.manager().unregister(plugin)
    assert float(during.std("pattern").max()) < 1e-6 < float(before.std("pattern").min())
    assert float(relevance.std("pattern").max()) < 1e-6
    shape = reconstructed / reconstructed.max("two_theta")
    assert float(shape.std("pattern").max()) < 1e-5
    xr.testing.assert_identical(series.xrdae.encode(model)["latent"], before)


def test_a_plugin_for_a_host_s_own_object_makes_analyze_work_on_it(series, model):
    class Run(dict):
        pass

    class Runs:
        @xrdae.hookimpl
        def xrdae_to_dataset(self, obj):
            return obj["data"] if isinstance(obj, Run) else None

        @xrdae.hookimpl
        def xrdae_attach(self, obj, result):
            return Run(obj, latent=result["latent"].values) if isinstance(obj, Run) else None

    run, plugin = Run(data=series), Runs()
    plugins.manager().register(plugin)
    try:
        out = xrdae.analyze(run, model)
    finally:
        plugins.manager().unregister(plugin)
    assert isinstance(out, Run)
    assert "latent" not in run
    np.testing.assert_array_equal(out["latent"], series.xrdae.encode(model)["latent"])


def test_an_unknown_object_is_a_type_error_that_names_it(model):
    with pytest.raises(TypeError, match=r"no plugin turns a builtins\.list .*builtin"):
        xrdae.analyze([1, 2, 3], model)


def test_analyze_attaches_latents_and_relevance(series, model):
    out = xrdae.analyze(series, model)
    expected = series.xrdae.encode(model).xrdae.relevance(model)
    assert set(out.variables) == set(expected.variables)
    xr.testing.assert_identical(out["latent"].variable, expected["latent"].variable)
    from_array = xrdae.analyze(series["intensity"], model)
    np.testing.assert_array_equal(from_array["latent"], expected["latent"])


def test_a_misspelt_hook_is_found():
    class Typo:
        @xrdae.hookimpl
        def xrdae_encod(self):
            pass

    pm = pluggy.PluginManager("xrdae")
    pm.add_hookspecs(hookspecs)
    pm.register(Typo())
    with pytest.raises(pluggy.PluginValidationError, match="xrdae_encod"):
        pm.check_pending()


def listed(tmp_path, points: str, **environment: str):
    """The plugins that a fresh process loads beside entry points written here."""
    folder = tmp_path / "thirdparty-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparty\nVersion: 1\n")
    (folder / "entry_points.txt").write_text(f"[xrdae]\n{points}\n")
    (tmp_path / "good_plugin.py").write_text(
        "from xrdae import hookimpl\n@hookimpl\ndef xrdae_to_dataset(obj):\n    return None\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "xrdae", "plugins"],
        env=os.environ | environment | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_a_broken_plugin_warns_and_the_rest_work(tmp_path):
    said, warned = listed(tmp_path, "broken = no_such_module\ngood = good_plugin")
    assert ["good", "xrdae_to_dataset"] in [line.split() for line in said.splitlines()]
    assert "\nbuiltin " in said
    assert "broken" not in said
    assert "plugin 'broken' (no_such_module) is skipped: ModuleNotFoundError" in warned


def test_plugins_can_be_blocked_by_name(tmp_path):
    points = "good = good_plugin\nother = good_plugin:xrdae_to_dataset"
    said, _ = listed(tmp_path, points, XRDAE_BLOCK_PLUGINS="good, other")
    assert ["good", "blocked"] in [line.split() for line in said.splitlines()]
    assert ["other", "blocked"] in [line.split() for line in said.splitlines()]
    assert "\nbuiltin " in said


@pytest.mark.parametrize(
    ("hook", "returned", "error", "words"),
    [
        ("xrdae_encode", lambda m, d: d["intensity"].values, TypeError, "a ndarray; it must be"),
        ("xrdae_encode", lambda m, d: xr.Dataset(), xrdae.DataError, "without 'latent'"),
        (
            "xrdae_encode",
            lambda m, d: m.encode(d).isel(pattern=slice(5)),
            xrdae.DataError,
            "with 5 positions along 'pattern'; the patterns have 24",
        ),
        (
            "xrdae_encode",
            lambda m, d: m.encode(d).rename(pattern="sample"),
            xrdae.DataError,
            "must have 'pattern' too",
        ),
        (
            "xrdae_encode",
            lambda m, d: m.encode(d).expand_dims(run=2),
            xrdae.DataError,
            "along 'run', a dimension that the patterns do not have",
        ),
        (
            "xrdae_encode",
            lambda m, d: m.encode(d).rename(latent_axis="axis"),
            xrdae.DataError,
            "must have 'latent_axis' too",
        ),
        (
            "xrdae_model_input",
            lambda m, d: m.model_input(d).rename(channel="point"),
            xrdae.DataError,
            "must have 'channel' too",
        ),
        (
            "xrdae_model_input",
            lambda m, d: m.model_input(d).isel(channel=slice(9)),
            xrdae.DataError,
            "9 channels; the model has 200",
        ),
        ("xrdae_model_input", lambda m, d: m.model_input(d).values, TypeError, "ndarray"),
        (
            "xrdae_encode",
            lambda m, d: m.encode(d.isel(pattern=0)),
            xrdae.DataError,
            "must have 'pattern' too",
        ),
        (
            "xrdae_encode",
            lambda m, d: m.encode(d).astype(str),
            xrdae.DataError,
            "must be real numbers",
        ),
        (
            "xrdae_encode",
            lambda m, d: m.encode(d).isel(latent_axis=[0, 1, 1]),
            xrdae.DataError,
            "3 latent axes; the model has 2",
        ),
        ("xrdae_relevance", lambda m, d: m.encode(d), xrdae.DataError, "without 'relevance'"),
        ("xrdae_synthesize", lambda m, d: m.encode(d), xrdae.DataError, "without 'synthesized'"),
        ("xrdae_cluster", lambda m, d: m.encode(d), xrdae.DataError, "without 'cluster'"),
        ("xrdae_fit", lambda m, d: "a model", TypeError, "a str, which is no model"),
        ("xrdae_to_dataset", lambda m, d: [1, 2], TypeError, "a list; it must be an xarray.Data"),
    ],
)
def test_a_plugin_that_returns_something_else_is_named(series, model, hook, returned, error, words):
    arguments = list(inspect.signature(getattr(hookspecs, hook)).parameters)
    source = f"def {hook}(self, {', '.join(arguments)}):\n    return returned({arguments})\n"
    scope = {"returned": lambda _: returned(model, series)}
    exec(source, scope)  # the hook's own arguments, by their names
    plugin = type("Careless", (), {hook: xrdae.hookimpl(scope[hook])})()
    plugins.manager().register(plugin, "careless")
    calls = {
        "xrdae_encode": lambda: series.xrdae.encode(model),
        "xrdae_model_input": lambda: series.xrdae.encode(model),
        "xrdae_relevance": lambda: series.xrdae.relevance(model),
        "xrdae_synthesize": lambda: series.xrdae.synthesize(model, between=(0, 3)),
        "xrdae_cluster": lambda: series.xrdae.cluster(model),
        "xrdae_fit": lambda: series.xrdae.fit(steps=1),
        "xrdae_to_dataset": lambda: series.xrdae.encode(model),
    }
    try:
        with pytest.raises(error, match=f"plugin 'careless' returned from its {hook} .*{words}"):
            calls[hook]()
    finally:
        plugins.manager().unregister(plugin)
