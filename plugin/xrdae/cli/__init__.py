"""The command line."""

from xrdae.cli.commands import main

__all__ = ["main"]
