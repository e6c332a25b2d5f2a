import subprocess
import sys
from pathlib import Path

import xrdae

PACKAGE = Path(xrdae.__file__).parent


MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def test_no_module_is_too_long_to_read():
    lengths = {name: len(path.read_text().splitlines()) for name, path in MODULES.items()}
    assert max(lengths.values()) <= 430, lengths


def test_importing_the_package_imports_nothing_heavy():
    heavy = ["torch", "pint", "scipy", "matplotlib", "sklearn", "gemmi", "dask"]
    code = (
        "import sys, xarray; before = set(sys.modules); import xrdae; "
        f"print([m for m in {heavy} if m in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_few_sorted_and_there():
    assert len(xrdae.__all__) <= 10
    assert list(xrdae.__all__) == sorted(xrdae.__all__)
    assert all(getattr(xrdae, name) is not None for name in xrdae.__all__)
    assert set(xrdae.__all__) <= set(dir(xrdae))


def test_a_name_that_is_not_there_is_an_attribute_error():
    assert not hasattr(xrdae, "no_such_name")


def test_no_module_changes_what_all_threads_share():
    shared = [
        *("catch_warnings(", "simplefilter(", "filterwarnings(", "set_options(", "setlocale("),
        *("manual_seed_all(", "random.seed(", "set_default_dtype(", "seterr(", "chdir(", "umask("),
        *("rcParams[", "matplotlib.use(", "environ[", "config.set("),
    ]
    found = {
        (name, word)
        for name, path in MODULES.items()
        if name != "conftest"  # of pytest, which restores what it changes
        for word in shared
        if word in path.read_text()
    }
    assert not found
    counted = [name for name, path in MODULES.items() if "set_num_threads(" in path.read_text()]
    assert counted == ["compute.threads"]
