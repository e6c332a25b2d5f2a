"""Many threads at once get the results of one thread, and no call changes the shared state."""

import copy
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import dask
import matplotlib as mpl
import numpy as np
import pytest
import torch
import xarray as xr

import xrdae
from concurrent_use import (
    METHODS,
    THREADS,
    check_file,
    check_fits,
    check_manager,
    check_methods,
    run_at_once,
)
from xrdae.compute.threads import limit_to_one_thread

TIMEDELTA = "decode_timedelta"
FEW = {"steps": 10, "members": 2, "hidden": (8,), "progress": False}


def run_in_thread(task):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(task).result()


@pytest.fixture
def four_threads():
    """Let torch use four threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


# ---------------------------------------------------------------- the results of one thread


@pytest.mark.usefixtures("four_threads")
def test_all_threads_get_right_results_from_more_kernels_than_the_cache_holds(series, model):
    widths = [5.0 + i for i in range(THREADS)]
    alone = [series.xrdae.relevance(model, regions=width) for width in widths]
    results = run_at_once(lambda i: [series.xrdae.relevance(model, regions=w) for w in widths])
    for thread_results in results:
        for one, other in zip(thread_results, alone, strict=True):
            xr.testing.assert_equal(one, other)


@pytest.mark.usefixtures("four_threads")
def test_methods_of_one_model_at_once_give_the_results_of_one_thread(series, model):
    names = list(METHODS)
    check_methods(series, model, [names[i % len(names)] for i in range(THREADS)])


@pytest.mark.usefixtures("four_threads")
def test_fits_at_once_give_the_models_of_one_thread(series):
    check_fits(series, FEW)


def test_models_saved_to_one_path_at_once_leave_one_complete_file(series, model, tmp_path):
    check_file(series, model, tmp_path / "model.nc")


def test_all_threads_get_one_plugin_manager():
    check_manager()


# ---------------------------------------------------------------- the state that threads share


@pytest.mark.usefixtures("four_threads")
def test_one_thread_does_not_change_the_default_of_new_threads():
    with limit_to_one_thread():
        assert torch.get_num_threads() == 1
        assert run_in_thread(torch.get_num_threads) == 4
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_torch_keeps_its_number_of_threads_after_many_threads_have_encoded(series, model):
    numbers = run_at_once(lambda i: (series.xrdae.encode(model), torch.get_num_threads())[1])
    assert numbers == [4] * THREADS
    assert run_in_thread(torch.get_num_threads) == 4


def list_filters():
    """Return the filters of warnings, except the filter that xarray adds when it opens a file."""
    return [f for f in warnings.filters if getattr(f[1], "pattern", "") != TIMEDELTA]


def read_state():
    """Return all state that threads share and a library could change."""
    return {
        "torch": (torch.get_num_threads(), run_in_thread(torch.get_num_threads)),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "dtype": torch.get_default_dtype(),
        "torch's seed": torch.get_rng_state().tolist(),
        "numpy's seed": np.random.get_state()[1].tolist(),
        "numpy": (np.geterr(), np.get_printoptions()),
        "python's seed": random.getstate(),
        "xarray": dict(xr.get_options()),
        "dask": copy.deepcopy(dask.config.config),
        "matplotlib": (dict(mpl.rcParams), mpl.get_backend()),
        "warnings": (list_filters(), warnings.showwarning),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "hooks": (sys.excepthook, threading.excepthook, sys.stdout, sys.stderr),
        "logging": (logging.root.level, list(logging.root.handlers)),
    }


def make_calls(series, model, folder):
    """Return every public call by name."""
    encoded = series.xrdae.encode(model)
    masked = encoded.xrdae.relevance(model)
    synthetic = series.xrdae.synthesize(model, between=(0, 5))
    path = folder / "model.nc"
    model.save(path)
    series.to_netcdf(folder / "series.nc")
    return {
        "fit": lambda: series.xrdae.fit(**FEW),
        "update": lambda: series.xrdae.fit(update=model, progress=False, steps=10),
        "encode": lambda: series.xrdae.encode(model),
        "reconstruct": lambda: series.xrdae.reconstruct(model),
        "relevance": lambda: series.xrdae.relevance(model),
        "synthesize": lambda: series.xrdae.synthesize(model, at={"x": [0.5]}),
        "estimate": lambda: series.xrdae.estimate(model, "x"),
        "relevance of a label": lambda: series.xrdae.relevance(model, label="x"),
        "decode": lambda: model.decode([[0.0, 0.0]]),
        "analyze": lambda: xrdae.analyze(series, model),
        "lazily": lambda: series.chunk(pattern=5).xrdae.encode(model).compute(),
        "save": lambda: model.save(path),
        "load_model": lambda: xrdae.load_model(path),
        "open_patterns": lambda: xrdae.open_patterns(folder / "series.nc"),
        "report": lambda: series.xrdae.report(model, folder / "report.html"),
        "plot.latent": lambda: encoded.xrdae.plot.latent(),
        "plot.relevance": lambda: masked.xrdae.plot.relevance(),
        "plot.synthesis": lambda: synthetic.xrdae.plot.synthesis(),
    }


def make_failing_calls(series, model, folder):
    """Return calls that fail, at least one for each stage, by name."""
    shifted = series.assign_coords(two_theta=series["two_theta"] + 90)
    zeros = series.assign(intensity=series["intensity"] * 0)
    wrong = folder / "wrong.nc"
    wrong.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    return {
        "fit": lambda: zeros.xrdae.fit(**FEW),
        "fit's settings": lambda: series.xrdae.fit(scale="nothing"),
        "fit's training": lambda: series.xrdae.fit(**FEW, learning_rate=1.0, latent_noise=1e6),
        "encode": lambda: shifted.xrdae.encode(model),
        "relevance": lambda: series.xrdae.relevance(model, regions=[[500.0, 501.0]]),
        "synthesize": lambda: series.xrdae.synthesize(model, between=(0, 99)),
        "estimate": lambda: series.xrdae.estimate(model, "no such label"),
        "decode": lambda: model.decode([[np.nan, 0.0]]),
        "analyze": lambda: xrdae.analyze(object(), model),
        "save": lambda: model.save(folder / "no folder" / "model.nc"),
        "load_model": lambda: xrdae.load_model(wrong),
        "open_patterns": lambda: xrdae.open_patterns(wrong),
        "report": lambda: zeros.xrdae.report(model, folder / "report.html"),
    }


@pytest.fixture
def agg_backend():
    """Draw with the Agg backend and close all figures."""
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.mark.usefixtures("agg_backend", "four_threads")
@pytest.mark.filterwarnings("ignore:.*no positive finite intensity")
def test_no_call_changes_shared_state_whether_it_returns_or_raises(series, model, tmp_path):
    calls = make_calls(series, model, tmp_path)
    failing = make_failing_calls(series, model, tmp_path)
    expected = (xrdae.DataError, xrdae.FormatError, OSError, TypeError, ValueError)
    for call in calls.values():  # the first calls import libraries and fill caches
        call()
    before = read_state()
    for name, call in calls.items():
        call()
        assert read_state() == before, name
    for name, call in failing.items():
        if name != "fit's training":
            with pytest.raises(expected):
                call()
        else:
            call()
        assert read_state() == before, name


@pytest.mark.usefixtures("four_threads")
def test_an_estimate_in_another_thread_does_not_change_the_filters_of_warnings(series, model):
    series.xrdae.estimate(model, "x")  # libraries set filters when they are imported
    before, ended = list(warnings.filters), threading.Event()

    def estimate():
        try:
            for _ in range(5):
                series.xrdae.estimate(model, "x")
        finally:
            ended.set()

    unchanged = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(estimate)
        while not ended.is_set():
            unchanged.append(list(warnings.filters) == before)
        future.result()
    assert all(unchanged)
