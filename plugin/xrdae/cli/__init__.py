"""The command line."""

from xrdae.cli import cluster_command, relevance_command  # noqa: F401  (they add their commands)
from xrdae.cli.commands import main
from xrdae.cli.quality import quality

main.add_command(quality)

__all__ = ["main"]
