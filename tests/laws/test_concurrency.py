"""Many threads at once: each gets what it gets alone, and what they share stays as it is."""

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
from xrdae import plugins
from xrdae.compute.threads import one_thread

THREADS = 16
TIMEDELTA = "decode_timedelta"
FEW = {"steps": 10, "members": 2, "hidden": (8,), "progress": False}


def at_once(task):
    """Return what threads that start together return."""
    gate = threading.Barrier(THREADS)

    def run(i):
        gate.wait()
        return task(i)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


def in_new_thread(task):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(task).result()


@pytest.fixture
def four_threads():
    """Let torch use four threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


# ---------------------------------------------------------------- the same as alone


@pytest.mark.usefixtures("four_threads")
def test_more_kernels_than_are_remembered_serve_all_threads(series, model):
    widths = [5.0 + i for i in range(THREADS)]
    alone = [series.xrdae.relevance(model, regions=width) for width in widths]
    found = at_once(lambda i: [series.xrdae.relevance(model, regions=w) for w in widths])
    for each in found:
        for one, other in zip(each, alone, strict=True):
            xr.testing.assert_equal(one, other)


@pytest.mark.usefixtures("four_threads")
def test_fits_at_once_give_what_they_give_alone(series):
    def fitted(seed):
        return series.xrdae.fit(seed=seed, **FEW)

    alone = [fitted(i) for i in range(4)]
    for i, each in enumerate(at_once(lambda i: fitted(i % 4))):
        xr.testing.assert_identical(each.labels, alone[i % 4].labels)
        xr.testing.assert_identical(each.history, alone[i % 4].history)


def test_models_saved_to_one_path_at_once_leave_one_whole_file(series, model, tmp_path):
    path = tmp_path / "model.nc"
    model.save(path)
    expected = series.xrdae.encode(model)["latent"]

    def write_or_read(i):
        if i % 2:
            model.save(path)
        return series.xrdae.encode(xrdae.load_model(path))["latent"]

    for latent in at_once(write_or_read):
        np.testing.assert_array_equal(latent, expected)
    assert list(tmp_path.iterdir()) == [path]


def test_there_is_one_manager_however_many_ask_first():
    plugins._made.cache_clear()
    assert len(set(map(id, at_once(lambda i: plugins.manager())))) == 1


# ---------------------------------------------------------------- what threads share


@pytest.mark.usefixtures("four_threads")
def test_one_thread_here_is_no_default_for_threads_to_come():
    with one_thread():
        assert torch.get_num_threads() == 1
        assert in_new_thread(torch.get_num_threads) == 4
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_torch_has_as_many_threads_as_before_after_many_have_encoded(series, model):
    for each in at_once(lambda i: (series.xrdae.encode(model), torch.get_num_threads())[1]):
        assert each == 4
    assert in_new_thread(torch.get_num_threads) == 4


def filters():
    """Return the filters of warnings, without the one that xarray adds as it opens any file."""
    return [each for each in warnings.filters if getattr(each[1], "pattern", "") != TIMEDELTA]


def state():
    """Return all that threads share and a library could change."""
    return {
        "torch": (torch.get_num_threads(), in_new_thread(torch.get_num_threads)),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "dtype": torch.get_default_dtype(),
        "torch's seed": torch.get_rng_state().tolist(),
        "numpy's seed": np.random.get_state()[1].tolist(),
        "numpy": (np.geterr(), np.get_printoptions()),
        "python's seed": random.getstate(),
        "xarray": dict(xr.get_options()),
        "dask": copy.deepcopy(dask.config.config),
        "matplotlib": (dict(mpl.rcParams), mpl.get_backend()),
        "warnings": (filters(), warnings.showwarning),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "hooks": (sys.excepthook, threading.excepthook, sys.stdout, sys.stderr),
        "logging": (logging.root.level, list(logging.root.handlers)),
    }


def good(series, model, folder):
    """Every public call, by name."""
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
        "label_shift": lambda: model.label_shift(series, masked["latent_shift"], "x"),
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


def bad(series, model, folder):
    """Calls that fail, at each stage, by name."""
    unlike = series.assign_coords(two_theta=series["two_theta"] + 90)
    nothing = series.assign(intensity=series["intensity"] * 0)
    wrong = folder / "wrong.nc"
    wrong.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    return {
        "fit": lambda: nothing.xrdae.fit(**FEW),
        "fit's settings": lambda: series.xrdae.fit(scale="nothing"),
        "fit's training": lambda: series.xrdae.fit(**FEW, learning_rate=1.0, latent_noise=1e6),
        "encode": lambda: unlike.xrdae.encode(model),
        "relevance": lambda: series.xrdae.relevance(model, regions=[[500.0, 501.0]]),
        "synthesize": lambda: series.xrdae.synthesize(model, between=(0, 99)),
        "estimate": lambda: series.xrdae.estimate(model, "no such label"),
        "decode": lambda: model.decode([[np.nan, 0.0]]),
        "analyze": lambda: xrdae.analyze(object(), model),
        "save": lambda: model.save(folder / "no folder" / "model.nc"),
        "load_model": lambda: xrdae.load_model(wrong),
        "open_patterns": lambda: xrdae.open_patterns(wrong),
        "report": lambda: nothing.xrdae.report(model, folder / "report.html"),
    }


@pytest.fixture
def drawn_nowhere():
    """Draw with the Agg backend; no figure is left."""
    from matplotlib import pyplot

    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


@pytest.mark.usefixtures("drawn_nowhere", "four_threads")
@pytest.mark.filterwarnings("ignore:.*no positive finite intensity")
def test_no_call_changes_what_threads_share_whether_it_returns_or_raises(series, model, tmp_path):
    calls, failing = (make(series, model, tmp_path) for make in (good, bad))
    expected = (xrdae.DataError, xrdae.FormatError, OSError, TypeError, ValueError)
    for call in calls.values():  # what is imported and found at first is there to stay
        call()
    before = state()
    for name, call in calls.items():
        call()
        assert state() == before, name
    for name, call in failing.items():
        if name != "fit's training":
            with pytest.raises(expected):
                call()
        else:
            call()
        assert state() == before, name


@pytest.mark.usefixtures("four_threads")
def test_a_filter_of_warnings_holds_while_another_thread_estimates(series, model):
    series.xrdae.estimate(model, "x")  # libraries set filters while they are imported
    before, ended = list(warnings.filters), threading.Event()

    def estimate():
        try:
            for _ in range(5):
                series.xrdae.estimate(model, "x")
        finally:
            ended.set()

    seen = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(estimate)
        while not ended.is_set():
            seen.append(list(warnings.filters) == before)
        running.result()
    assert all(seen)
