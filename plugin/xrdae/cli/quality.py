"""The command that judges a model file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from xrdae.cli.output import print_sections


@click.command()
@click.argument("model_path", metavar="MODEL", type=click.Path(exists=True, path_type=Path))
@click.option("--label", "labels", multiple=True,
              help="A numeric label (again for further ones). [default: all]")  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Print the outcome as JSON, for other programs."
)
def quality(model_path: Path, labels: tuple[str, ...], as_json: bool) -> None:
    """Say how good MODEL is, and whether other numbers of latents would tell more.

    Compares held-out reconstruction with PCA, tests whether neighbours stay together, and estimates
    each label from 2, 3 and 5 latents. The patterns are not needed.
    """
    from xrdae.model import load_model
    from xrdae.quality import describe_quality

    found = load_model(model_path).quality(labels=labels or None)
    if as_json:
        click.echo(json.dumps(found.to_dict()))
    else:
        print_sections(describe_quality(found), as_json)
