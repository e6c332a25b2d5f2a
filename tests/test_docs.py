"""Links and paths in the documentation lead to files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for d in ("docs", "tests", ".ci") for page in ROOT.glob(f"{d}/**/*.md")),
    ]
)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
# Paths in backticks; <...> and * stand for any name.
REPOSITORY_PATH = re.compile(r"`((?:plugin|adapters|tests|docs|examples|\.ci)/[\w./<>*{}-]+)`")
MODULE_PATH = re.compile(
    r"`((?:[\w*]+/)+[\w*]+\.py)`"
)  # from plugin/xrdae, in the developers' pages
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]  # which names earlier paths

pytestmark = pytest.mark.skipif(
    not (ROOT / "docs").is_dir(), reason="the documentation is not beside the tests"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_to_a_file(page):
    links = LINK.findall(page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_of_the_repository_exists(page):
    paths = REPOSITORY_PATH.findall(page.read_text())
    globs = [re.sub(r"<[^>]*>", "*", path) for path in paths]
    missing = [path for path in globs if not list(ROOT.glob(path.rstrip("/")))]
    assert missing == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.name)
def test_every_path_of_a_module_exists(page):
    folders = (ROOT, ROOT / "plugin/xrdae")
    paths = MODULE_PATH.findall(page.read_text())
    assert [path for path in paths if not any(list(f.glob(path)) for f in folders)] == []


def test_the_drawing_of_the_layers_is_current():
    script = ROOT / "docs/developers/draw_layers.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def list_public_functions():
    """Return all public functions and methods, by name."""
    import xrdae
    from xrdae import plot, simulate
    from xrdae.accessor import XrdaeAccessor

    found = {f"xrdae.{name}": getattr(xrdae, name) for name in xrdae.__all__}
    found |= {f"simulate.{name}": getattr(simulate, name) for name in simulate.__all__}
    for owner in (XrdaeAccessor, xrdae.Model, plot.Plot):
        for name in dir(owner):
            if not name.startswith("_"):
                found[f"{owner.__name__}.{name}"] = getattr(owner, name)
    errors = {
        name for name, one in found.items() if isinstance(one, type) and issubclass(one, Exception)
    }
    no_example = errors | {"xrdae.hookimpl", "xrdae.Model", "Model.patterns"}
    return {n: one for n, one in found.items() if callable(one) and n not in no_example}


PUBLIC = list_public_functions()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_has_an_example(name):
    assert re.search(r"Examples\n +-{8}\n +>>> ", PUBLIC[name].__doc__ or "")
