"""The command `xrdae relevance`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xrdae.cli.commands import DATA, JSON, MODEL, OUT, add_reading, main
from xrdae.cli.output import print_rows, print_table, refuse_overwrite, write_dataset
from xrdae.loading.sources import open_data
from xrdae.terminal import escape_lines

if TYPE_CHECKING:
    import xarray as xr

FILLS = ("conditional", "background", "zero", "mean")
COLUMNS = {  # of the results: their captions
    "region_start": "start",
    "region_stop": "stop",
    "hkl": "hkl",
    "relevance": "relevance",
    "region_change": "change",
    "region_std": "std",
    "relevance_excess": "excess",
    "relevance_verdict": "verdict",
}


@main.command()
@DATA
@add_reading
@MODEL
@OUT
@click.option("--regions", default="peaks", show_default=True,
              help="'peaks', or a window's width in units of the axis.")  # fmt: skip
@click.option("--fill", type=click.Choice(FILLS), default=FILLS[0], show_default=True,
              help="What replaces a region: what other patterns imply, or a mask.")  # fmt: skip
@click.option("--label", "labels", multiple=True,
              help="A label with which regions are compared (again for others).")  # fmt: skip
@click.option("--reference", type=click.Path(exists=True, path_type=Path),
              help="Patterns with which regions are compared. "
              "[default: patterns of the training]")  # fmt: skip
@click.option("--cif", "cifs", multiple=True, type=click.Path(exists=True, path_type=Path),
              help="A phase whose reflections the table names (again for others).")  # fmt: skip
@JSON
def relevance(
    data: tuple[str, ...],
    model_path: Path,
    out: Path,
    regions: str,
    fill: str,
    labels: tuple[str, ...],
    reference: Path | None,
    cifs: tuple[Path, ...],
    as_json: bool,
    reading: dict[str, Any],
) -> None:
    """Replace each peak, measure how far the latent point moves, and print a table of peaks.

    The table tells which peaks are relevant. With --label it also tells how far each peak changes
    with the label, and from which peak to read the label.
    """
    from xrdae.model import load_model
    from xrdae.plot.phases import find_rows
    from xrdae.region_table import choose_watched_region

    refuse_overwrite(out, model_path, reference, *cifs)
    windows: str | float = regions
    if regions != "peaks":
        try:
            windows = float(regions)
        except ValueError:
            raise click.BadParameter(f"{regions!r} must be 'peaks' or a width") from None

    def result() -> xr.Dataset:
        dataset, model = open_data(data, **reading), load_model(model_path)
        if cifs:  # a CIF that cannot be read is an error before the file is written
            find_rows(cifs, model.patterns(dataset))
        known = None if reference is None else open_data([str(reference)], **reading)
        return dataset.xrdae.relevance(  # type: ignore[no-any-return]
            model, regions=windows, fill=fill, label=list(labels) or None, reference=known
        )

    rows = write_dataset(result, out)
    with open_data([str(out)]) as written:
        table = written.xrdae.tabulate_relevance(list(labels), list(cifs) or None)
    columns = {name: _list_values(table[name]) for name in COLUMNS if name in table}
    columns |= {str(name): _list_values(table[name]) for name in table if name not in columns}
    watched = {label: choose_watched_region(table, label) for label in labels}
    if as_json:
        regions_found = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        print_rows(rows | {"regions": regions_found, "watch": watched}, as_json)
        return
    print_rows(rows, as_json)
    click.echo()
    print_table({COLUMNS.get(name, name): values for name, values in columns.items()})
    notes = [_describe_units(table), *(_describe_watched(table, *one) for one in watched.items())]
    if "relevance_verdict" in table:
        reason = table["relevance_verdict"].attrs.get("undecided_because")
        notes += [] if reason is None else [f"undecided because {reason}"]
    click.echo("\n" + escape_lines("\n".join(notes)))


def _list_values(column: xr.DataArray) -> list[Any]:
    """Return numbers and texts of a column; None where a number is not known."""
    values = column.values.tolist()
    return [value if isinstance(value, str) or value == value else None for value in values]


def _describe_units(table: xr.Dataset) -> str:
    """Return the units of the table in one line."""
    units = {name: table[name].attrs.get("units", "1") for name in ("region_start", "region_change")
             if name in table}  # fmt: skip
    found = f"start and stop in {units['region_start']}"
    if "region_change" in units:
        found += f"; change and std in {units['region_change']}"
    return found


def _describe_watched(table: xr.Dataset, label: str, region: int | None) -> str:
    """Return from which region to read a label, in words."""
    if region is None:
        return f"{label}: no region is relevant for it"
    row = table.isel(region=region)
    start, stop = float(row["region_start"]), float(row["region_stop"])
    hkl = str(row["hkl"].values) if "hkl" in row else ""
    found = f"{label}: watch {start:.5g} to {stop:.5g} {row['region_start'].attrs['units']}"
    found += f" (hkl {hkl})" if hkl else ""
    if f"{label}_r2" not in row:
        return found
    units = str(row[f"{label}_slope"].attrs.get("units", "1"))
    per = f"{label}" if units == "1" else units.removeprefix("1/").strip("()")
    return (
        f"{found}; R2 of {label} from this region alone {float(row[f'{label}_r2']):.3f}, "
        f"its content changes by {float(row[f'{label}_slope']):+.3%} per unit of {per}"
    )
