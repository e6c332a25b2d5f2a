"""What commands print, and the files that they write."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xrdae.config import AUTO
from xrdae.loading.sources import write_netcdf, write_zarr
from xrdae.storage.atomic_writing import NETCDF, check_ending, write_aside
from xrdae.terminal import escape_control

if TYPE_CHECKING:
    import xarray as xr


def print_rows(rows: Mapping[str, Any], as_json: bool) -> None:
    """Print names and values: a table, or JSON."""
    if as_json:
        click.echo(json.dumps(rows))
        return
    names = [escape_control(name) for name in rows]
    width = max(map(len, names), default=0)
    for name, value in zip(names, rows.values(), strict=True):
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{name:<{width}}  {escape_control(text)}")


def print_table(columns: Mapping[str, Sequence[Any]]) -> None:
    """Print columns of numbers and texts under their captions. Numbers have four digits."""
    cells = [
        [escape_control(name), *(_format_cell(value) for value in values)]
        for name, values in columns.items()
    ]
    widths = [max(map(len, column)) for column in cells]
    for row in zip(*cells, strict=True):
        padded = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(padded))


def _format_cell(value: Any) -> str:
    if isinstance(value, str):
        return escape_control(value)
    return "" if value is None else f"{value:.4g}"


def print_sections(sections: Mapping[str, Mapping[Any, str]], as_json: bool) -> None:
    """Print sections of names and values, each under its caption, or as JSON."""
    if as_json:
        click.echo(json.dumps(sections))
        return
    lengths = (len(escape_control(name)) for rows in sections.values() for name in rows)
    width = max(lengths, default=0)
    for caption, rows in sections.items():
        click.echo(escape_control(caption))
        for name, value in rows.items():
            click.echo(f"  {escape_control(name):<{width}}  {escape_control(value)}")


def write_result(make: Callable[[], xr.Dataset], out: Path, as_json: bool) -> None:
    """Write a result, and print what it is; see `write_dataset`."""
    print_rows(write_dataset(make, out), as_json)


def write_dataset(make: Callable[[], xr.Dataset], out: Path) -> dict[str, str]:
    """Write a result completely or not at all, and describe it. The target may be DATA."""
    from xrdae import describe
    from xrdae.compute.lazy_arrays import is_lazy, show_progress

    check_out_ending(out, (".nc", ".zarr", *NETCDF), "netCDF (or a Zarr store)")
    with write_aside(out) as aside:
        dataset = make()
        with show_progress(dataset, sys.stderr.isatty()):
            if out.suffix.lower() == ".zarr":
                write_zarr(dataset, aside)
            else:
                write_netcdf(dataset, aside)
        rows = {} if is_lazy(dataset) else describe.describe_patterns(dataset)
        dataset.close()
    return rows | {"wrote": str(out)}


def parse_n_latent(text: str) -> int | str:
    """Return a number of latent axes, or "auto"."""
    if text == AUTO:
        return AUTO
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a whole number nor 'auto'") from None


def check_out_ending(out: Path, endings: Sequence[str], what: str) -> None:
    """Refuse a target with another ending."""
    try:
        check_ending(out, endings, what)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="-o") from None


def refuse_overwrite(out: Path, *inputs: str | Path | None) -> None:
    """Refuse to write a model or a page over its input."""
    for path in inputs:
        if path is not None and Path(path).exists() and out.exists() and out.samefile(path):
            raise click.BadParameter(f"{out} is also read; choose another name", param_hint="-o")
