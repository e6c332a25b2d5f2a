import os
import signal
from pathlib import Path

import pytest
import xarray as xr

import xrdae  # noqa: F401  (registers ds.xrdae)
from moving_peaks import make_series

TESTS = Path(__file__).parent
# What takes most of the time, whatever the versions.
SLOW = (
    "browser/",
    "robustness/try_",
    "robustness/test_programs",
    "test_examples",
    "cli/test_demo",
    "fuzz/",
)
# What depends on versions of dependencies: CI runs it with the lowest and with the newest ones too.
VERSIONS = (
    *("analysis/", "autoencoder/", "cli/", "compute/", "convention/", "loading/", "plot/"),
    *(
        "preprocessing/",
        "report/",
        "simulate/",
        "storage/",
        "laws/test_any_dataset",
        "laws/test_laws",
    ),
    *("live/test_results", "training/test_training_loop", "test_"),
)
# Long ones whose dependencies other tests use too.
NOT_VERSIONS = (
    "analysis/test_encode",
    "analysis/test_estimate",
    "analysis/test_synthesis_methods",
    "test_provenance",
)


def pytest_ignore_collect(collection_path):
    """Ignore programs and helpers, which `--doctest-modules` would import."""
    is_program = collection_path.suffix == ".py" and not collection_path.name.startswith("test_")
    return True if is_program else None


def pytest_collection_modifyitems(items):
    """Mark tests by their folders and files; a slow one is not repeated with other versions."""
    for item in items:
        name = item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else ""
        if name.startswith(SLOW):
            item.add_marker("slow")
        elif name.startswith(VERSIONS) and not name.startswith(NOT_VERSIONS):
            item.add_marker("versions")


DEPRECATIONS = ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning")


@pytest.fixture(scope="session", autouse=True)
def deprecations_are_errors_in_child_processes():
    """Pytest's filters are those of its own process; what the environment allows stays allowed."""
    rules = [f"error::{name}" for name in DEPRECATIONS]
    if allowed := os.environ.get("PYTHONWARNINGS"):
        rules.append(allowed)  # the last rule that fits decides
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", ",".join(rules))
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard():
    """Also where a shell runs the tests in the background, and has its children ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def simulated_series():
    """From a number of patterns (and points, and a seed) to a series."""
    return make_series


@pytest.fixture(scope="session")
def series() -> xr.Dataset:
    """24 patterns x 200 points, two_theta in degree, label `x`."""
    return make_series()


@pytest.fixture(scope="session")
def model(series):
    """A model of the series; small, so that it takes less than a second."""
    return series.xrdae.fit(steps=300, members=4, hidden=(32, 32), progress=False)


@pytest.fixture(scope="session")
def real_data():
    """From the name of a data file to its path; the test is skipped where there are none."""

    def find(name: str) -> Path:
        folder = os.environ.get("XRDAE_TEST_DATA")
        if not folder:
            pytest.skip("XRDAE_TEST_DATA is not set to the folder of measured patterns")
        return Path(folder) / name

    return find


@pytest.fixture
def interrupted_training(monkeypatch):
    """Ctrl-C comes in step 50 of a training."""
    from xrdae.training import training_loop as loop

    loss, steps = loop.compute_loss, []

    def interrupted(*args):
        steps.append(len(steps))
        if len(steps) == 51:
            raise KeyboardInterrupt
        return loss(*args)

    monkeypatch.setattr(loop, "compute_loss", interrupted)
