"""The report: one self-contained HTML page to walk through the latent space of a dataset."""

from __future__ import annotations

import dataclasses
import html
import json
import os
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from xrdae import describe
from xrdae.analysis.estimate import FEWEST
from xrdae.analysis.label_reference import find_training_reference
from xrdae.convention.axis_kinds import OTHER
from xrdae.report.content import Content, find_content
from xrdae.report.packing import pack
from xrdae.storage.atomic_writing import check_ending, write_aside

if TYPE_CHECKING:
    import xarray as xr

    from xrdae.model import Model

SYNTHESIS = ("arrays.js", "numerics.js", "alignment.js", "synthesis.js")
EXPLORER = ("engine.js", "pieces.js", "downloads.js", "controls.js", "explorer.js")
FRAME_HEIGHT = 900  # pixels, of the page inside a notebook


@dataclasses.dataclass(frozen=True)
class Report:
    """HTML page. A notebook shows it as the result of a cell.

    Attributes
    ----------
    html
        Text of the complete page.
    """

    html: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page to a file completely or not at all. The name must end in .html."""
        check_ending(path, (".html", ".htm"), "a page of HTML")
        with write_aside(path) as aside:
            aside.write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        page = html.escape(self.html, quote=True)
        style = f"width: 100%; height: {FRAME_HEIGHT}px; border: 1px solid #ccc"
        return f'<iframe title="xrdae explorer" srcdoc="{page}" style="{style}"></iframe>'

    def __repr__(self) -> str:
        return f"<xrdae.report.Report: {len(self.html) / 1e6:.1f} MB of HTML; save(path) writes it>"


def make_report(
    dataset: xr.Dataset,
    model: Model,
    *,
    title: str | None = None,
    progress: bool | None = None,
) -> Report:
    """Return the explorer of a dataset.

    The page holds what it needs and asks no network for anything: the latents, labels and
    relevance of all patterns (of more than 20 000, evenly chosen ones), the patterns themselves
    (of more than four million intensities the most novel ones; the others as the basis holds
    them), and decoder, basis and mixture, by which it synthesizes as `Model.synthesize` does.

    Parameters
    ----------
    dataset
        Patterns by the convention.
    model
        A fitted model.
    title
        Of the page; None: the dataset's attribute `title`, else a plain one.
    progress
        A progress bar over the labels that are cross-validated (some ten seconds each for a
        thousand training patterns); None: on a terminal only.

    Raises
    ------
    DataError
        If the dataset cannot be used, or no pattern has usable intensity.
    ImportError
        Without bokeh.
    TypeError
        If `model` is no model.

    Examples
    --------
    >>> from xrdae.report import make_report
    >>> make_report(ds, model, title="Two peaks", progress=False).save("explorer.html")
    """
    if not hasattr(model, "autoencoder"):
        raise TypeError(
            f"model={model!r} is no model; fit one, or read one with xrdae.load_model(path)"
        )
    try:
        from bokeh.embed import file_html
        from bokeh.resources import Resources

        from xrdae.report.figures import make_document
    except ImportError as error:
        raise ImportError("a report needs bokeh: pip install 'xrdae[report]'") from error
    content = find_content(dataset, model)
    header, arrays = pack(content.arrays)
    kind = model.autoencoder.preparation.axis.kind
    what = "Patterns" if kind == OTHER else "Diffraction patterns"
    title = str(title or dataset.attrs.get("title") or f"{what} and their latents")
    page = file_html(
        make_document(content),
        Resources(mode="inline", minified=True, log_level="error"),
        title=title,
        template=_read_asset("page.html"),
        template_variables={
            "title": title,
            "lead": _make_lead(content),
            "css": _read_asset("page.css"),
            # The first also makes the worker.
            "synthesis": "".join(map(_read_asset, SYNTHESIS)),
            "explorer": "".join(map(_read_asset, EXPLORER)),
            "header": _to_json(content.header | {"arrays": header}),
            "arrays": arrays,
            "n_latent": model.n_latent,
            "sections": _make_sections(content, model, progress),
        },
    )
    return Report(page)


def _read_asset(name: str) -> str:
    return (files("xrdae") / "report" / "assets" / name).read_text(encoding="utf-8")


def _to_json(value: Any) -> str:
    """Return JSON that cannot end the script element around it."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace("&", "\\u0026")


def _make_lead(content: Content) -> str:
    header, axis = content.header, content.arrays["axis"]
    first, last = axis[[-1, 0]] if header["descending"] else axis[[0, -1]]
    sizes = " x ".join(f"{n} {d}" for n, d in zip(header["shape"], header["dims"], strict=True))
    words = f"{sizes}, {axis.size} points from {first:.4g} to {last:.4g} {header['axis_units']}"
    words = words.strip()
    if any(step > 1 for step in header["steps"]):
        whole = " x ".join(map(str, header["sizes"]))
        words += f"; every {' and '.join(map(str, header['steps']))}th of {whole}"
    return words


def _make_sections(content: Content, model: Model, progress: bool | None) -> describe.Sections:
    """Return the tables of figures."""
    header, arrays = content.header, content.arrays
    values = {label["name"]: arrays[f"label.{i}"] for i, label in enumerate(header["labels"])}
    novelty = values["novelty"]
    error = values["reconstruction_error"]
    return {
        "These patterns": {
            "patterns": str(novelty.size),
            "without usable intensity": str(int(np.isnan(novelty).sum())),
            "reconstruction error": f"{np.nanmedian(error):.4f} (median), "
            f"{np.nanmax(error):.4f} (largest)",
            "novelty above 1": f"{int((novelty > 1).sum())} of {novelty.size}",
        },
        "Estimates, in held-out blocks of the patterns the model was fitted to": _cross_validate(
            model, progress
        ),
        "Synthesis is a mixture of": {
            name: f"{weight:.2f}"
            for name, weight in zip(header["methods"], arrays["mixture"], strict=True)
        },
        **_describe_model(model),
    }


def _describe_model(model: Model) -> describe.Sections:
    """Return the tables of a model; an axis that is not one of diffraction has no wavelength."""
    sections = describe.describe_model(model.fitted)
    if model.autoencoder.preparation.axis.kind == OTHER:
        del sections["Preprocessing"]["wavelength"]
    return sections


def _cross_validate(model: Model, progress: bool | None) -> dict[str, str]:
    """Return the figures of block cross-validation for every label that varies."""
    found: dict[str, str] = {}
    disable = None if progress is None else not progress  # None: where there is no terminal
    for name in tqdm(model.label_names(), desc="cross-validating", leave=False, disable=disable):
        label = model.labels[name]
        known = label.values[np.isfinite(label.values)]
        if len(known) < FEWEST or len(np.unique(known)) < 3:
            continue
        try:
            reference = find_training_reference(model.fitted, name)
            estimator = reference.find_estimator(model.fitted, name)
        except ImportError as error:
            return {"not made": str(error)}
        figures, units = estimator.figures, str(label.attrs.get("units", "1"))
        found[name] = describe.format_cross_validation(figures["r2"], figures["mae"], units)
    return found
