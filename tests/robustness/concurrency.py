"""One model used from many threads and processes at once: what it gives is what it gives alone."""

import functools
import multiprocessing
import pickle
import tempfile
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import torch
from harness import Row, main, try_in_child
from numerics import counted, labelled

import xrdae
from xrdae import plugins

THREADS, PROCESSES = 16, 4
FAST = {"steps": 60, "members": 3, "hidden": (16,), "progress": False}
METHODS = {
    "encode": {},
    "reconstruct": {},
    "relevance": {},
    "relevance of windows": {"regions": 7.0},
    "synthesize": {"between": (2, 9), "n": 2},
    "estimate": {"label": "x"},
}


@functools.cache
def fitted():
    torch.set_num_threads(4)  # else every block is computed in the thread that asks for it
    dataset = labelled(counted())
    return dataset, dataset.xrdae.fit(**FAST)


def used(method, dataset, model):
    """Return what a method adds, as bytes by name."""
    result = getattr(dataset.xrdae, method.split()[0])(model, **METHODS[method])
    added = set(result.data_vars) - set(dataset.data_vars)
    return {name: result[name].values.tobytes() for name in sorted(added)}


def at_once(count, task):
    """Return what `count` threads that start together return."""
    gate = threading.Barrier(count)

    def run(i):
        gate.wait()
        return task(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def in_process(pickled, path, dataset, method):
    """Be another process: use the model that was sent, and the one in the file."""
    sent, read = pickle.loads(pickled), xrdae.load_model(path)
    return [used(method, dataset, model) for model in (sent, read)]


def fresh(model):
    """Return the model without anything that it has made so far."""
    return pickle.loads(pickle.dumps(model))


def try_threads(method):
    dataset, model = fitted()
    alone, model = used(method, dataset, fresh(model)), fresh(model)
    found = at_once(THREADS, lambda i: used(method, dataset, model))
    return "survived" if all(each == alone for each in found) else "lost"


def try_mixed_threads(turn):
    dataset, model = fitted()
    alone, model = {m: used(m, dataset, fresh(model)) for m in METHODS}, fresh(model)
    methods = [list(METHODS)[(i + turn) % len(METHODS)] for i in range(THREADS)]
    found = at_once(THREADS, lambda i: used(methods[i], dataset, model))
    right = all(each == alone[method] for each, method in zip(found, methods, strict=True))
    return "survived" if right else "lost"


def try_processes(method):
    dataset, model = fitted()
    alone, pickled = used(method, dataset, model), pickle.dumps(model)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.nc"
        model.save(path)
        with ProcessPoolExecutor(PROCESSES, mp_context=spawn) as pool:
            waiting = [
                pool.submit(in_process, pickled, path, dataset, method) for _ in range(PROCESSES)
            ]
            found = [each for future in waiting for each in future.result()]
    return "survived" if all(each == alone for each in found) else "lost"


def try_fits(seed):
    dataset, _ = fitted()
    alone = [dataset.xrdae.fit(**FAST, seed=seed + i).labels for i in range(4)]
    found = at_once(4, lambda i: dataset.xrdae.fit(**FAST, seed=seed + i).labels)
    right = all(a.identical(b) for a, b in zip(alone, found, strict=True))
    return "survived" if right else "lost"


def try_file(turn):
    dataset, model = fitted()
    alone = used("encode", dataset, model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model {turn}.nc"
        model.save(path)

        def write_or_read(i):
            if i % 2:
                model.save(path)
                return alone
            return used("encode", dataset, xrdae.load_model(path))

        found = at_once(THREADS, write_or_read)
        left = [each.name for each in Path(folder).iterdir()]
    return "survived" if all(each == alone for each in found) and left == [path.name] else "lost"


def try_managers(turn):
    plugins._made.cache_clear()
    found = at_once(THREADS, lambda i: plugins.manager())
    return "survived" if len({id(each) for each in found}) == 1 else "lost"


IN_THREADS = {
    "methods": try_mixed_threads,
    "one method": try_threads,
    "fits": try_fits,
    "a file": try_file,
    "plugins": try_managers,
}


def try_in_threads(case):
    kind, argument = case
    return IN_THREADS[kind](argument)


def rows(scale):
    turns = list(range(max(1, round(20 * scale))))
    cases = [(kind, turn) for turn in turns for kind in IN_THREADS if kind != "one method"]
    cases += [("one method", method) for _ in turns for method in METHODS]
    count = max(1, round(scale * len(cases)))
    yield try_in_child(Row(FROM_THREADS, "fault"), cases[:count], patience=300)
    methods = list(METHODS)[: max(1, round(scale * len(METHODS)))]
    yield try_in_child(Row(IN_PROCESSES, "fault"), methods, patience=300)


FROM_THREADS = "16 threads at one model, file or plugins"
IN_PROCESSES = "4 processes with one model at once"

if __name__ == "__main__":
    main(rows, {FROM_THREADS: try_in_threads, IN_PROCESSES: try_processes})
