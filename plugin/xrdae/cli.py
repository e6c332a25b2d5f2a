"""The command line: files in, files out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xrdae.errors import XrdaeError
from xrdae.files import replacing

if TYPE_CHECKING:
    import xarray as xr

    from xrdae.synthesis import Position

DATA = click.argument("data", type=click.Path(exists=True, path_type=Path))
MODEL = click.option(
    "-m", "--model", "model_path", required=True, type=click.Path(exists=True, path_type=Path),
    help="Model file that 'xrdae fit' wrote.",
)  # fmt: skip
OUT = click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="netCDF file to write; it is replaced if it exists.",
)  # fmt: skip


class Reporting(click.Group):
    """A group whose commands report the package's own errors in one line, exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except (XrdaeError, ImportError, OSError, TypeError, ValueError) as error:
            if os.environ.get("XRDAE_TRACEBACK"):
                raise
            raise click.ClickException(str(error)) from error


@click.group(cls=Reporting, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xrdae")
def main() -> None:
    """Autoencoder latents, peak relevance and synthesized patterns for X-ray diffraction data.

    DATA is a netCDF file (or Zarr store) with patterns along one diffraction axis: a variable
    'intensity' and an axis two_theta [degree], q [1/angstrom] or d [angstrom] with its units.
    Any other dimensions (pattern, time, y and x of a map) and labels (temperature, composition)
    are kept. XRDAE_TRACEBACK=1 shows where an error came from.
    """


@main.command()
@click.option("-o", "--out", default="xrdae-demo", type=click.Path(path_type=Path),
              show_default=True, help="Folder for the results.")  # fmt: skip
def demo(out: Path) -> None:
    """Run the whole method on simulated patterns of a magnetic alloy.

    Simulates 150 patterns of [Sm(1-y)Zr(y)]Fe(12-x)Ti(x), fits a model to 120 of them, encodes
    all, finds relevant peaks, synthesizes compositions in between, and prints how well it went.
    """
    from xrdae import demo as work

    figures = work.run(out)
    width = max(len(name) for name, _ in figures)
    for name, value in figures:
        click.echo(f"{name:<{width}}  {value}")
    click.echo(f"\nwrote {', '.join(sorted(p.name for p in out.iterdir()))} to {out}/")


@main.command()
@DATA
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path),
              help="Model file to write (netCDF).")  # fmt: skip
@click.option("--n-latent", type=int, help="Number of latent axes. [default: 2]")
@click.option("--members", type=int, help="Autoencoders in the ensemble. [default: 8]")
@click.option("--seed", type=int, help="Seed of everything random. [default: 0]")
@click.option("--grid", help="Model axis: data, two_theta, q, d or log_q. [default: data]")
@click.option("--points", type=int, help="Points of the model axis. [default: as the data]")
@click.option("--background", help="pybaselines method, for example snip. [default: none]")
@click.option("--scale", help="Divide each pattern by its max or area. [default: max]")
@click.option("--variable", help="Name of the intensity variable.")
@click.option("--dim", help="Name of the diffraction dimension.")
def fit(data: Path, out: Path, **settings: Any) -> None:
    """Fit a model to the patterns in DATA."""
    given = {name: value for name, value in settings.items() if value is not None}
    model = _open(data).xrdae.fit(**given)
    model.save(out)
    click.echo(f"{model!r}\nwrote {out}")


@main.command()
@DATA
@MODEL
@OUT
def encode(data: Path, model_path: Path, out: Path) -> None:
    """Add latent coordinates, reconstruction error and novelty to DATA."""
    _write(_open(data).xrdae.encode(_load(model_path)), out)


@main.command()
@DATA
@MODEL
@OUT
@click.option("--regions", default="peaks", show_default=True,
              help="'peaks', or a window's width in units of the axis.")  # fmt: skip
@click.option("--fill", type=click.Choice(["background", "zero", "mean"]), default="background",
              show_default=True, help="What a masked region is filled with.")  # fmt: skip
@click.option("--label", help="A numeric label: how far its estimate moves is added.")
def relevance(
    data: Path, model_path: Path, out: Path, regions: str, fill: str, label: str | None
) -> None:
    """Mask each peak and measure how far each pattern's latent point moves."""
    if regions != "peaks":
        try:
            width = float(regions)
        except ValueError:
            raise click.BadParameter(f"{regions!r} is neither 'peaks' nor a width") from None
    _write(
        _open(data).xrdae.relevance(
            _load(model_path),
            regions="peaks" if regions == "peaks" else width,
            fill=fill,
            label=label,
        ),
        out,
    )


@main.command()
@DATA
@MODEL
@OUT
@click.option("--between", nargs=2, help="Two patterns by position: 3 7, or y=0,x=3 y=0,x=7.")
@click.option("-n", default=5, show_default=True, help="Points between the two patterns.")
@click.option("--endpoints", is_flag=True, help="Add the two patterns themselves.")
@click.option("--at", multiple=True,
              help="Label and values: temperature=200,210 (again for further labels).")  # fmt: skip
def synthesize(
    data: Path,
    model_path: Path,
    out: Path,
    between: tuple[str, str] | None,
    n: int,
    endpoints: bool,
    at: tuple[str, ...],
) -> None:
    """Decode patterns between two measured ones, or at given labels."""
    ends = (_position(between[0]), _position(between[1])) if between else None
    labels = dict(_label(text) for text in at) or None
    _write(
        _open(data).xrdae.synthesize(
            _load(model_path), between=ends, n=n, endpoints=endpoints, at=labels
        ),
        out,
    )


@main.command()
@DATA
@click.option("-m", "--model", "model_path", type=click.Path(exists=True, path_type=Path),
              help="Model file; without one a model is fitted to DATA.")  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path),
              help="HTML file to write. [default: DATA's name with .html, here]")  # fmt: skip
@click.option("--title", help="Title of the page.")
def report(data: Path, model_path: Path | None, out: Path | None, title: str | None) -> None:
    """Write one HTML page on which to walk through the latent space of DATA."""
    dataset = _open(data)
    model = _load(model_path) if model_path else dataset.xrdae.fit()
    out = out or Path(f"{data.resolve().stem}.html")
    dataset.xrdae.report(model, out, title=title)
    click.echo(f"wrote {out}")


@main.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def info(path: Path) -> None:
    """Describe a model file, or a data file with its results."""
    from xrdae import summary
    from xrdae.errors import FormatError

    try:
        sections = summary.of_model(_load(path))
    except FormatError:
        sections = {"Data": summary.of_patterns(_open(path))}
    for caption, rows in sections.items():
        click.echo(f"{caption}")
        for name, value in rows.items():
            click.echo(f"  {name:<22}{value}")


@main.command()
def plugins() -> None:
    """List the plugins and the hooks that each implements."""
    from xrdae.plugins import manager

    for name, plugin in manager().list_name_plugin():
        if plugin is None:
            click.echo(f"{name}: blocked")
            continue
        hooks = sorted(caller.name for caller in manager().get_hookcallers(plugin) or [])
        click.echo(f"{name}: {', '.join(hooks)}")


def _open(path: Path) -> xr.Dataset:
    import xarray as xr

    import xrdae.accessor  # noqa: F401  (registers ds.xrdae)

    if path.is_dir():
        return xr.open_dataset(path, engine="zarr", chunks={})
    try:
        dataset = xr.open_dataset(path)
    except ValueError as error:
        raise click.ClickException(
            f"{path} cannot be read as netCDF; convert it to netCDF, for example by xarray's "
            "to_netcdf"
        ) from error
    return dataset


def _load(path: Path) -> Any:
    from xrdae.model import load_model

    return load_model(path)


def _write(dataset: xr.Dataset, out: Path) -> None:
    """Write whole or not at all; DATA itself may be the target."""
    with replacing(out) as aside:
        dataset.to_netcdf(aside)
        dataset.close()
    click.echo(f"wrote {out}")


def _position(text: str) -> Position:
    try:
        if "=" not in text:
            return int(text)
        return {k.strip(): int(v) for k, v in (part.split("=") for part in text.split(","))}
    except ValueError:
        raise click.BadParameter(
            f"--between {text!r} is neither a position (3) nor positions (y=0,x=3)"
        ) from None


def _label(text: str) -> tuple[str, list[float]]:
    name, _, values = text.partition("=")
    try:
        return name.strip(), [float(v) for v in values.split(",")]
    except ValueError:
        raise click.BadParameter(f"--at {text!r} is not label=value,value") from None
