"""Links and paths in the documentation lead to files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
# Paths in backticks; <...> and * stand for any name.
REPOSITORY_PATH = re.compile(r"`((?:plugin|adapters|tests|docs|examples|\.ci)/[\w./<>*{}-]+)`")
CURRENT = [page for page in PAGES if page.name != "CHANGELOG.md"]  # it names earlier paths

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
