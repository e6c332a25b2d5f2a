"""The checks of this project, each a session: `nox -s lint types tests hosts browser`.

Each session makes its own virtual environment. With `nox --no-venv -s ...` it runs in the active
one, as `.ci/run` does. Whatever follows `--` goes to pytest: `nox -s tests -- tests/readers`.
"""

import nox

nox.options.default_venv_backend = "venv"  # pip finds the CPU build of torch, uv does not
nox.options.reuse_venv = "yes"
nox.options.sessions = ["lint", "types", "tests"]

PARALLEL = {"PYTEST_ADDOPTS": "-n auto --dist worksteal", "OMP_NUM_THREADS": "1"}


def install(session: nox.Session, extras: str, constraints: str = "constraints.txt") -> None:
    """Install the package with extras, unless the session runs in the active environment."""
    if session.venv_backend != "none":
        session.install("-c", constraints, "-e", f".[{extras}]")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format, the order of layers, and the drawing of the layers."""
    install(session, "test")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("python", "docs/developers/draw_layers.py", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check types of the package and, as far as their hosts are installed, of the adapters."""
    install(session, "test")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; those of missing hosts and browsers are skipped."""
    install(session, "test")
    session.run("python", "-m", "pytest", *session.posargs, env=PARALLEL)


@nox.session
def hosts(session: nox.Session) -> None:
    """Run the tests of the adapters with every real host."""
    install(session, "test,hosts", "constraints-hosts.txt")
    session.run("python", "-m", "pytest", *(session.posargs or ["tests/hosts"]), env=PARALLEL)


@nox.session
def browser(session: nox.Session) -> None:
    """Run the tests of the pages in Chromium."""
    install(session, "test")
    session.run("python", "-m", "pytest", *(session.posargs or ["tests/browser"]), env=PARALLEL)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Fuzz each reader of files for three seconds: `nox -s fuzz -- udf 60` one for a minute."""
    install(session, "fuzz")
    session.run("python", "tests/fuzz/fuzz.py", *(session.posargs or ["all", "3"]))
