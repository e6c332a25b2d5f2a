"""How every command runs: errors in one line, exit codes, recorded arguments."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from xrdae.errors import XrdaeError
from xrdae.provenance import record_command
from xrdae.terminal import escape_control, escape_lines

# Of libraries too: netCDF raises RuntimeError where a lazy file turns out to be damaged.
REPORTED = (XrdaeError, ImportError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
_OPTIONS = {
    "extrapolate=True": "--extrapolate",
    "reference=": "--reference",
    "fill='background'": "--fill background",
    "by dim=...": "by --dim",
    "variable=...": "--variable",
    "columns='": "--columns '",
    "axis='": "--axis '",
    "axis=...": "--axis",
    "units='": "--units '",
    "units=...": "--units",
    "trust_links=True": "--trust-links",
    "scale_regions=[[start, stop]]": "--scale-region START STOP",
}
INTERRUPTED = 130  # exit code of shells for Ctrl-C


class ReportingGroup(click.Group):
    """A group whose commands report the package's own errors in one line, exit code 1."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Take the words of a command; click itself would end with 1 where this is interrupted."""
        try:
            return super().make_context(*args, **options)
        except KeyboardInterrupt as interrupt:
            _end_interrupted(interrupt)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Record the words of the command for the provenance of its results."""
        ctx.obj = ["xrdae", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            with record_command(ctx.obj), _show_plain_warnings():
                return super().invoke(ctx)
        except (click.Abort, click.exceptions.Exit):  # RuntimeErrors too
            raise
        except click.ClickException as error:  # names of files, from a glob of the shell
            error.message = escape_lines(error.message)  # type: ignore[misc]
            raise
        except Exception as error:
            of_plugins = getattr(error, "__notes__", [])
            if os.environ.get("XRDAE_TRACEBACK") or not (isinstance(error, REPORTED) or of_plugins):
                raise
            message = "; ".join([_format_error(error), *of_plugins])
            raise click.ClickException(escape_control(message)) from error
        except KeyboardInterrupt as interrupt:
            _end_interrupted(interrupt)


@contextmanager
def _show_plain_warnings() -> Iterator[None]:
    """Show each warning in one line, without its place in the package."""
    usual = warnings.formatwarning

    def format_plainly(message: Warning | str, *_: Any, **__: Any) -> str:
        return f"Warning: {escape_lines(_use_option_names(str(message)))}\n"

    warnings.formatwarning = format_plainly
    try:
        yield
    finally:
        warnings.formatwarning = usual


def _use_option_names(text: str) -> str:
    """Return a message with the options of the command line in place of Python's arguments."""
    for argument, option in _OPTIONS.items():
        text = text.replace(argument, option)
    return text


def _end_interrupted(interrupt: KeyboardInterrupt) -> NoReturn:
    what = escape_control(interrupt) or "no file was changed"
    click.echo(f"interrupted; {what}", err=True)
    sys.exit(INTERRUPTED)


def _format_error(error: Exception) -> str:
    """Return an error in one line. Errors of other packages have their type in front."""
    text = _use_option_names(" ".join(str(error).split()))
    return text if isinstance(error, REPORTED) and text else f"{type(error).__name__}: {text}"
