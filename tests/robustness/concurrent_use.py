"""Scenarios of one model, file or plugin manager used by many threads at once.

`try_concurrency.py` repeats them, and `tests/laws/test_concurrency.py` runs each once. A scenario
returns nothing, and raises an AssertionError if a thread gets a result that differs from a thread
alone.
"""

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import xarray as xr

import xrdae
from xrdae import plugins

THREADS = 16
METHODS = {
    "encode": {},
    "reconstruct": {},
    "relevance": {},
    "relevance of windows": {"regions": 7.0},
    "synthesize": {"between": (2, 9), "n": 2},
    "estimate": {"label": "x"},
}


def run_at_once(task, count=THREADS):
    """Return the results of `task(i)` in `count` threads that start together."""
    gate = threading.Barrier(count)

    def run(i):
        gate.wait()
        return task(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def apply_method(method, dataset, model):
    """Return the variables that a method adds, as bytes by name."""
    result = getattr(dataset.xrdae, method.split()[0])(model, **METHODS[method])
    added = set(result.data_vars) - set(dataset.data_vars)
    return {name: result[name].values.tobytes() for name in sorted(added)}


def copy_model(model):
    """Return a copy of a model without its cached kernels."""
    return pickle.loads(pickle.dumps(model))


def check_methods(dataset, model, methods):
    """Call a method in each thread on one model; the number of threads is that of the methods."""
    alone = {m: apply_method(m, dataset, copy_model(model)) for m in set(methods)}
    shared = copy_model(model)
    results = run_at_once(lambda i: apply_method(methods[i], dataset, shared), len(methods))
    for method, result in zip(methods, results, strict=True):
        assert result == alone[method], method


def check_fits(dataset, settings, seed=0):
    """Fit in all threads, with four seeds."""
    seeds = [seed + i for i in range(4)]
    alone = [dataset.xrdae.fit(**settings, seed=s) for s in seeds]
    fits = run_at_once(lambda i: dataset.xrdae.fit(**settings, seed=seeds[i % 4]))
    for i, model in enumerate(fits):
        xr.testing.assert_identical(model.labels, alone[i % 4].labels)
        xr.testing.assert_identical(model.history, alone[i % 4].history)


def check_file(dataset, model, path):
    """Save a model in half of the threads, and load it in all threads."""
    model.save(path)
    expected = apply_method("encode", dataset, model)

    def save_or_load(i):
        if i % 2:
            model.save(path)
        return apply_method("encode", dataset, xrdae.load_model(path))

    for result in run_at_once(save_or_load):
        assert result == expected
    assert list(path.parent.iterdir()) == [path]


def check_manager():
    """Request the plugin manager in all threads before it is built."""
    plugins._make_manager.cache_clear()
    managers = run_at_once(lambda i: plugins.manager())
    assert len(set(map(id, managers))) == 1
