"""What is installed, locked and stated of the dependencies agrees with pyproject.toml."""

import json
import re
import subprocess
import sys
from importlib.metadata import distribution, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\]+)", re.MULTILINE)
WITH_A_HOST = {"bluesky", "ewoks", "hyperspy", "nexus", "pyfai", "pyxem", "scipp", "spectrochempy"}
WITH_A_HOST |= {"hosts", "tiled", "bench", "fuzz", "all"}
FOR_TESTS = {"test", "testing"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    """The versions that a file of constraints or a lock names."""
    return {canonical(name): v for name, v in PIN.findall((ROOT / name).read_text())}


def direct() -> dict[str, tuple[str, str]]:
    """From a package that xrdae asks for to its bounds and its extra; hosts are left out."""
    found = {}
    for text in requires("xrdae"):
        name, bounds = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?([^;]*)", text).groups()
        extra = re.search(r"extra == ['\"](.*?)['\"]", text)
        if name != "xrdae" and not (extra and extra[1] in WITH_A_HOST):
            found[canonical(name)] = bounds.strip(), extra[1] if extra else ""
    return found


@pytest.fixture(scope="module")
def sbom():
    """The one that was installed with the package."""
    (file,) = (
        file
        for file in distribution("xrdae").files or []
        if re.search(r"\.dist-info/sboms/[^/]+\.cdx\.json$", file.as_posix())
    )
    return json.loads(file.read_text())


def test_every_dependency_has_a_lowest_version_for_the_tests_to_run_with():
    assert len(direct()) > 20
    assert [name for name, (bounds, _) in direct().items() if ">=" not in bounds] == []


def test_the_bill_of_materials_is_installed_and_names_every_dependency_of_a_user(sbom):
    named = {canonical(part["name"]) for part in sbom["components"]}
    assert {name for name, (_, extra) in direct().items() if extra not in FOR_TESTS} <= named
    assert sbom["metadata"]["component"]["name"] == "xrdae"


def test_the_bill_of_materials_names_the_versions_that_are_tested_and_no_folder(sbom):
    tested = pins("constraints.txt")
    for part in sbom["components"]:
        version = part["version"].split("+")[0]
        assert tested.get(canonical(part["name"]), version) == version
    assert "file:" not in json.dumps(sbom)


def test_the_table_of_licences_is_that_of_the_bill_of_materials(sbom):
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (.+) \| (?:core|an extra) \|$",
        (ROOT / ".ci/licences.md").read_text(),
        re.MULTILINE,
    )
    assert {(name, version) for name, version, _ in rows} == {
        (part["name"], part["version"].split("+")[0]) for part in sbom["components"]
    }
    assert [name for name, _, licence in rows if "UNKNOWN" in licence] == []


@pytest.mark.parametrize(
    ("lock", "constraints"),
    [("lock.txt", "constraints.txt"), ("lock-hosts.txt", "constraints-hosts.txt")],
)
def test_a_lock_has_the_versions_that_are_tested_each_with_hashes(lock, constraints):
    locked, tested = pins(f".ci/{lock}"), pins(constraints)
    assert {name for name in direct() if name != "torch"} <= locked.keys()
    both = locked.keys() & tested.keys()
    assert {name: locked[name] for name in both} == {name: tested[name] for name in both}
    entries = re.split(r"^(?=\S)", (ROOT / ".ci" / lock).read_text(), flags=re.MULTILINE)
    assert all("--hash=sha256:" in entry for entry in entries if PIN.match(entry))


@pytest.mark.parametrize(
    "kind", ["DeprecationWarning", "PendingDeprecationWarning", "FutureWarning"]
)
def test_a_deprecation_in_a_child_process_of_a_test_is_an_error(kind):
    code = f"import warnings; warnings.warn('old', {kind})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"{kind}: old" in done.stderr
