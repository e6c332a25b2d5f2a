"""Program: one model used by many threads and processes at once gives the results of one alone."""

import functools
import multiprocessing
import pickle
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

import xrdae
from concurrent_use import (
    METHODS,
    THREADS,
    apply_method,
    check_file,
    check_fits,
    check_manager,
    check_methods,
)
from extreme_datasets import draw_counts, make_dataset
from harness import Failed, Row, main, try_in_child

PROCESSES = 4
FAST = {"steps": 60, "members": 3, "hidden": (16,), "progress": False}
FROM_THREADS = "16 threads at one model, file or plugins"
IN_PROCESSES = "4 processes with one model at once"


@functools.cache
def fit_model():
    """Return patterns and a model."""
    torch.set_num_threads(4)  # with one thread, torch computes in the calling thread
    dataset = make_dataset(draw_counts())
    return dataset, dataset.xrdae.fit(**FAST)


def try_methods(turn):
    names = list(METHODS)
    check_methods(*fit_model(), [names[(i + turn) % len(names)] for i in range(THREADS)])


def try_method(method):
    check_methods(*fit_model(), [method] * THREADS)


def try_fits(seed):
    check_fits(fit_model()[0], FAST, seed)


def try_file(turn):
    with tempfile.TemporaryDirectory() as folder:
        check_file(*fit_model(), Path(folder) / f"model {turn}.nc")


def try_manager(turn):
    check_manager()


SCENARIOS = {
    "methods": try_methods,
    "one method": try_method,
    "fits": try_fits,
    "a file": try_file,
    "plugins": try_manager,
}


def try_threads(case):
    scenario, argument = case
    try:
        SCENARIOS[scenario](argument)
    except AssertionError as error:
        raise Failed("lost", str(error)) from error
    return "survived"


def use_in_process(pickled, path, dataset, method):
    """Return the results of the pickled model and of the saved model, in another process."""
    models = pickle.loads(pickled), xrdae.load_model(path)
    return [apply_method(method, dataset, model) for model in models]


def try_processes(method):
    dataset, model = fit_model()
    alone, pickled = apply_method(method, dataset, model), pickle.dumps(model)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.nc"
        model.save(path)
        with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
            futures = [
                pool.submit(use_in_process, pickled, path, dataset, method)
                for _ in range(PROCESSES)
            ]
            results = [result for future in futures for result in future.result()]
    return "survived" if all(result == alone for result in results) else "lost"


def try_rows(scale):
    turns = list(range(max(1, round(20 * scale))))
    cases = [(name, turn) for turn in turns for name in SCENARIOS if name != "one method"]
    cases += [("one method", method) for _ in turns for method in METHODS]
    count = max(1, round(scale * len(cases)))
    yield try_in_child(Row(FROM_THREADS, "fault"), cases[:count], patience=300)
    methods = list(METHODS)[: max(1, round(scale * len(METHODS)))]
    yield try_in_child(Row(IN_PROCESSES, "fault"), methods, patience=300)


if __name__ == "__main__":
    main(try_rows, {FROM_THREADS: try_threads, IN_PROCESSES: try_processes})
