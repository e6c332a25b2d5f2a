"""The commands of `xrdae`: files in, files out."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xrdae.cli.group import ReportingGroup
from xrdae.cli.output import (
    check_out_ending,
    parse_n_latent,
    print_rows,
    print_sections,
    refuse_overwrite,
    write_result,
)
from xrdae.loading.sources import name_data, open_data
from xrdae.readers.read_options import ReadOptions
from xrdae.storage.atomic_writing import NETCDF
from xrdae.terminal import escape_control

if TYPE_CHECKING:
    import xarray as xr

    from xrdae.analysis.request import Position

DATA = click.argument("data", nargs=-1, required=True, metavar="DATA...")
READING_ARGUMENTS = ("columns", "axis", "units", "trust_links")
MODEL = click.option(
    "-m", "--model", "model_path", required=True, type=click.Path(exists=True, path_type=Path),
    help="Model file that 'xrdae fit' wrote.",
)  # fmt: skip
OUT = click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="netCDF file to write (Zarr store where it ends in .zarr); it is replaced if it exists.",
)  # fmt: skip
_READING = (
    click.option("--columns", help="Columns of a table of numbers, a letter each: x positions, y "
                 "intensities, e errors, s samples, - not used (xye, -xy, xy*)."),
    click.option("--axis", help="Quantity of a table's positions: two_theta, q, d or another."),
    click.option("--units", help="Units of a table's positions: degree, 1/nm ..."),
    click.option("--trust-links", is_flag=True,
                 help="Follow links of HDF5 files to files outside of their folder."),
)  # fmt: skip
JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print the outcome as JSON, for other programs."
)


def add_reading(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say what files do not; the command gets them as `reading`."""

    @functools.wraps(command)
    def run(**arguments: Any) -> None:
        reading = {name: arguments.pop(name) for name in READING_ARGUMENTS}
        command(**arguments, reading=reading)

    return functools.reduce(lambda decorated, option: option(decorated), reversed(_READING), run)


@click.group(cls=ReportingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xrdae")
def main() -> None:
    """Autoencoder latents, peak relevance and synthesized patterns for X-ray diffraction data.

    DATA is a netCDF file or Zarr store with patterns along one axis (a variable 'intensity' and
    an axis with its units: two_theta [degree], q [1/angstrom], d [angstrom], or any other such as
    an energy, which is kept as it is), or files that instruments write: one or several, a folder,
    a glob such as "run42/*.xrdml", or - for a list of them on the standard input. Other dimensions
    and labels are kept.

    Exit codes: 0 done, 1 an error (in one line; XRDAE_TRACEBACK=1 shows the traceback), 2 wrong
    usage, 130 interrupted. Files are written completely or not at all.
    """


@main.command()
@click.option("-o", "--out", default="xrdae-demo", type=click.Path(path_type=Path),
              show_default=True, help="Folder for the results.")  # fmt: skip
@JSON
def demo(out: Path, as_json: bool) -> None:
    """Run all steps on simulated patterns of a magnetic alloy.

    Simulates 150 patterns of [Sm(1-y)Zr(y)]Fe(12-x)Ti(x), fits a model to 120 of them, encodes
    all, finds relevant peaks, synthesizes compositions in between, and prints how well it went.
    """
    from xrdae import demo as work

    figures = dict(work.run(out))
    if as_json:
        print_rows(figures | {"wrote": str(out)}, as_json)
        return
    print_rows(figures, as_json)
    written = ", ".join(sorted(path.name for path in out.iterdir()))
    click.echo(f"\nwrote {escape_control(written)} to {escape_control(out)}/")


@main.command()
@DATA
@add_reading
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path),
              help="Model file to write (netCDF).")  # fmt: skip
@click.option("--update", "update_path", type=click.Path(exists=True, path_type=Path),
              help="Model to start from: a new one, that knows DATA too, is written.")  # fmt: skip
@click.option("--n-latent", metavar="INTEGER|auto", type=parse_n_latent,
              help="Number of latent axes; auto: chosen from the data. [default: 2]")  # fmt: skip
@click.option("--members", type=int, help="Autoencoders in the ensemble. [default: 8]")
@click.option("--seed", type=int, help="Seed of everything random. [default: 0]")
@click.option("--grid", help="Model axis: data, even, two_theta, q, d or log_q. [default: data]")
@click.option("--points", type=int, help="Points of the model axis. [default: as the data]")
@click.option("--background", help="pybaselines method, for example snip. [default: none]")
@click.option("--scale", help="Divide each pattern by its max, area, std or steady peaks, or all "
              "by one number: none. [default: max]")  # fmt: skip
@click.option("--scale-region", "scale_regions", multiple=True, type=(float, float),
              help="With --scale steady: start and stop of a reference peak.")  # fmt: skip
@click.option(
    "--transform", help="Transform intensities that span decades: log or sqrt. [default: none]"
)
@click.option("--variable", help="Name of the intensity variable.")
@click.option("--dim", help="Name of the dimension that is the axis.")
@click.option("--checkpoint", type=click.Path(dir_okay=False, path_type=Path),
              help="File for the state of training; the same command resumes.")  # fmt: skip
@JSON
def fit(
    data: tuple[str, ...],
    out: Path,
    update_path: Path | None,
    checkpoint: Path | None,
    as_json: bool,
    reading: dict[str, Any],
    **settings: Any,
) -> None:
    """Fit a model to the patterns in DATA, or update a model with them.

    With --update, the settings and the latents of that model stay. Only --seed, --variable and
    --dim may differ. The checkpoint is removed after the model is written.
    """
    refuse_overwrite(out, *data, update_path, checkpoint)
    check_out_ending(out, NETCDF, "a model as netCDF")
    given = {name: value for name, value in settings.items() if value not in (None, ())}
    if update_path is not None:
        given["update"] = _load_model(update_path)
    model = _fit(open_data(data, **reading), checkpoint=checkpoint, **given)
    model.save(out)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    rows = {
        "patterns": model.labels.sizes["pattern"],
        "labels": model.label_names(),
        "latent axes": model.n_latent,
        "components": model.autoencoder.basis.components.shape[0],
        "held-out error": round(float(model.history["held_out"].min()), 6),
        "stopped": model.history.attrs["stopped"],
        "wrote": str(out),
    }
    print_rows(rows, as_json)


@main.command()
@DATA
@add_reading
@MODEL
@OUT
@JSON
def encode(
    data: tuple[str, ...], model_path: Path, out: Path, as_json: bool, reading: dict[str, Any]
) -> None:
    """Add latent coordinates, reconstruction error and novelty to DATA."""
    refuse_overwrite(out, model_path)
    write_result(
        lambda: open_data(data, **reading).xrdae.encode(_load_model(model_path)), out, as_json
    )


@main.command()
@DATA
@add_reading
@MODEL
@OUT
@click.option("--between", nargs=2, help="Two patterns by position: 3 7, or y=0,x=3 y=0,x=7.")
@click.option("-n", default=5, show_default=True, help="Points between the two patterns.")
@click.option("--endpoints", is_flag=True, help="Add the two patterns themselves.")
@click.option("--at", multiple=True,
              help="Label and values: temperature=200,210 (again for further labels).")  # fmt: skip
@click.option("--extrapolate", is_flag=True,
              help="Allow values of --at outside the known labels; not to be trusted.")  # fmt: skip
@JSON
def synthesize(
    data: tuple[str, ...],
    model_path: Path,
    out: Path,
    between: tuple[str, str] | None,
    n: int,
    endpoints: bool,
    at: tuple[str, ...],
    extrapolate: bool,
    as_json: bool,
    reading: dict[str, Any],
) -> None:
    """Decode patterns between two measured ones, or at given labels."""
    refuse_overwrite(out, model_path)
    ends = (_parse_position(between[0]), _parse_position(between[1])) if between else None
    labels = dict(_parse_label(text) for text in at) or None

    def result() -> xr.Dataset:
        dataset, model = open_data(data, **reading), _load_model(model_path)
        return dataset.xrdae.synthesize(  # type: ignore[no-any-return]
            model, between=ends, n=n, endpoints=endpoints, at=labels, extrapolate=extrapolate
        )

    write_result(result, out, as_json)


@main.command()
@DATA
@add_reading
@click.option("-m", "--model", "model_path", type=click.Path(exists=True, path_type=Path),
              help="Model file; without one a model is fitted to DATA.")  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path),
              help="HTML file to write. [default: DATA's name with .html, here]")  # fmt: skip
@click.option("--title", help="Title of the page.")
@JSON
def report(
    data: tuple[str, ...],
    model_path: Path | None,
    out: Path | None,
    title: str | None,
    as_json: bool,
    reading: dict[str, Any],
) -> None:
    """Write one HTML page on which to walk through the latent space of DATA."""
    out = out or Path(f"{name_data(data)}.html")
    check_out_ending(out, (".html", ".htm"), "a page of HTML")
    refuse_overwrite(out, *data, model_path)
    dataset = open_data(data, **reading)
    model = _load_model(model_path) if model_path else _fit(dataset)
    dataset.xrdae.report(model, out, title=title)
    print_rows({"wrote": str(out)}, as_json)


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@add_reading
@MODEL
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path),
              help="Zarr store for the results; an earlier one is continued.")  # fmt: skip
@click.option("--match", default="*", show_default=True, help='Which names count: "*.xy".')
@click.option("--threshold", default=1.0, show_default=True, help="Novelty that is an alert.")
@click.option("--patience", default=10.0, show_default=True, metavar="SECONDS",
              help="When to give up a file that cannot be read and does not change.")  # fmt: skip
@click.option("--page/--no-page", default=True, show_default=True, help="Serve the live page.")
@click.option("--port", default=0, help="Where on this machine to serve it. [default: any]")
@click.option("--token/--no-token", default=True, show_default=True,
              help="Serve it only at an address that cannot be guessed. Without the token, all "
              "users of this machine can read it.")  # fmt: skip
@JSON
def watch(
    folder: Path,
    model_path: Path,
    out: Path,
    as_json: bool,
    reading: dict[str, Any],
    **options: Any,
) -> None:
    """Encode every pattern file that arrives in FOLDER, until Ctrl-C.

    A file is read once it is complete, encoded with relevance and novelty, and appended to the
    store; the live page shows it within a second. Files that are in the store are left alone,
    unless they change. Novel patterns and unreadable files are reported on standard error.
    """
    from xrdae.live.command import keep_watch

    if out.suffix != ".zarr":
        raise click.BadParameter(f"{out} does not end in .zarr", param_hint="-o")
    keep_watch(
        folder,
        _load_model(model_path),
        ReadOptions(**reading),
        out=out,
        as_json=as_json,
        **options,
    )


@main.command()
@DATA
@add_reading
@JSON
def info(data: tuple[str, ...], as_json: bool, reading: dict[str, Any]) -> None:
    """Describe a model file, or data with their results, and how they were made."""
    from xrdae import describe, provenance
    from xrdae.errors import FormatError

    try:
        if len(data) > 1 or not Path(data[0]).is_file():
            raise FormatError("it is no single file")
        model = _load_model(Path(data[0]))
        sections, made = describe.describe_model(model.fitted), provenance.describe_origin(model)
    except FormatError as no_model:
        try:
            dataset = open_data(data, lazy=False, **reading)
        except FormatError as error:
            if Path(data[0]).suffix != ".nc":  # models have this ending
                raise
            raise FormatError(f"{error}; nor is it a model: {no_model}") from error
        sections, made = (
            describe.describe_dataset(dataset),
            provenance.read_provenance(dataset.attrs),
        )
    if as_json:
        click.echo(json.dumps(sections | {"provenance": made}))
    else:
        print_sections(sections, as_json)


@main.command()
@JSON
def plugins(as_json: bool) -> None:
    """List the plugins and the hooks that each implements."""
    from xrdae.plugins import manager

    rows = {}
    for name, plugin in manager().list_name_plugin():
        callers = manager().get_hookcallers(plugin) if plugin is not None else None
        rows[name] = ", ".join(sorted(c.name for c in callers or [])) if plugin else "blocked"
    print_rows(rows, as_json)


@main.command()
@JSON
def doctor(as_json: bool) -> None:
    """Print what is installed: versions, hosts, devices, plugins. Exit code 1 if one is broken."""
    from xrdae.doctor import examine

    sections, wrong = examine()
    print_sections(sections | ({"Wrong": dict(enumerate(wrong, 1))} if wrong else {}), as_json)
    if wrong:
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands: eval "$(xrdae completion bash)"."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(main, {}, "xrdae", "_XRDAE_COMPLETE").source())


def _fit(dataset: xr.Dataset, checkpoint: Path | None = None, **settings: Any) -> Any:
    """Fit a model; one whose training was interrupted is nothing to keep here."""
    model = dataset.xrdae.fit(checkpoint=checkpoint, **settings)
    if model.history.attrs["stopped"] == "interrupted":
        raise KeyboardInterrupt(f"{checkpoint} goes on from here" if checkpoint else "")
    return model


def _load_model(path: Path) -> Any:
    from xrdae.model import load_model

    return load_model(path)


def _parse_position(text: str) -> Position:
    try:
        if "=" not in text:
            return int(text)
        return {k.strip(): int(v) for k, v in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise click.BadParameter(
            f"--between {text!r} is neither a position (3) nor positions (y=0,x=3)"
        ) from None


def _parse_label(text: str) -> tuple[str, list[float]]:
    name, _, values = text.partition("=")
    try:
        return name.strip(), [float(v) for v in values.split(",")]
    except ValueError:
        raise click.BadParameter(f"--at {text!r} is not label=value,value") from None
