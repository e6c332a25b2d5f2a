"""A watched folder for the tests of `live`."""

import pytest

from watched_folder import Run


@pytest.fixture
def run(tmp_path, series, model):
    return Run(tmp_path, series, model)
