"""The command `xrdae cluster`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xrdae.cli.commands import DATA, JSON, MODEL, OUT, add_reading, main
from xrdae.cli.output import refuse_overwrite, write_result
from xrdae.loading.sources import open_data

if TYPE_CHECKING:
    import xarray as xr


@main.command()
@DATA
@add_reading
@MODEL
@OUT
@click.option("-n", "number", default="auto", show_default=True,
              help="Number of clusters, or 'auto'.")  # fmt: skip
@click.option("--label", help="A numeric label along which the clusters are numbered. "
              "[default: by size]")  # fmt: skip
@click.option("--reference", type=click.Path(exists=True, path_type=Path),
              help="Patterns in which the clusters are found. [default: DATA]")  # fmt: skip
@JSON
def cluster(
    data: tuple[str, ...],
    model_path: Path,
    out: Path,
    number: str,
    label: str | None,
    reference: Path | None,
    as_json: bool,
    reading: dict[str, Any],
) -> None:
    """Find clusters of the patterns in DATA, and the patterns between clusters."""
    from xrdae.model import load_model

    refuse_overwrite(out, model_path, reference)
    n: int | str = number
    if number != "auto":
        try:
            n = int(number)
        except ValueError:
            raise click.BadParameter(f"-n {number!r} must be 'auto' or a whole number") from None

    def result() -> xr.Dataset:
        dataset, model = open_data(data, **reading), load_model(model_path)
        known = None if reference is None else open_data([str(reference)], **reading)
        return dataset.xrdae.cluster(model, n, label=label, reference=known)  # type: ignore[no-any-return]

    write_result(result, out, as_json)
