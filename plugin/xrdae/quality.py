"""The quality of a model in figures, and advice in words."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr
from tqdm.auto import tqdm

from xrdae import describe
from xrdae.analysis.known_labels import find_training_labels
from xrdae.analysis.map_quality import (
    NEIGHBOURS,
    find_problem,
    find_trustworthiness,
    measure_label,
    project_on_components,
)
from xrdae.autoencoder.fitted import Fitted
from xrdae.errors import DataError
from xrdae.preprocessing.subsets import choose_evenly
from xrdae.training.comparison import (
    complete_predictability,
    find_held_out_errors,
    find_predicted_part,
    fit_latents,
)
from xrdae.training.dimension import FEWEST, find_dimension
from xrdae.training.fit import find_most_latents

NUMBERS = (2, 3, 5)  # of latents, beside that of the model
MOST_PATTERNS = 500  # compared; the cost grows with their square
GAIN = 0.05  # in R2 that another number of latents has to reach to be advised
AS_GOOD = 0.02  # difference in R2 that does not count
TOLD = 0.5  # R2 of a label that a map tells
DIFFERENT = 0.05  # relative difference of errors that counts
LESS_TRUSTED = 0.02  # difference in trustworthiness that counts
APART = 0.3  # spread between members over the spread of the map, above which they disagree
MOST_NAMES = 4  # labels named in one sentence

Float = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Quality:
    """Quality of a model, in figures and in words; `Model.quality` returns it.

    Attributes
    ----------
    figures
        A Dataset. Its attribute `n_latent` is the model's number of latents.

        - `label_r2 (label, n_latent)`: R2 of labels estimated from maps of that many latents, of
          held-out blocks of patterns. NaN if `label_problem (label)` gives a reason.
        - `predicted_part (n_latent)`: part (0 to 1) of the weighted variance that neighbours on
          these maps predict.
        - `predicted_part_of_axes (latent_axis)`: the same for the model's axes up to this one.
        - `reconstruction_error (encoder)`: error of held-out patterns over the spread of the
          patterns, of the autoencoder and of PCA with as many components.
        - `trustworthiness (encoder)`: part (0 to 1) of the map's neighbours that are neighbours.
        - `member_spread`: deviation between members over the spread of the map.
        - `dimension`: number of directions in which the patterns vary; NaN if not known.
        - `different_patterns`: number of patterns without copies.
    advice
        Sentences that follow from the figures.
    """

    figures: xr.Dataset
    advice: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return figures and advice as plain Python objects, for JSON; None where not known."""
        arrays = {str(name): array for name, array in self.figures.variables.items()}
        return {
            "model_n_latent": int(self.figures.attrs["n_latent"]),
            **{name: _make_plain(array.values.tolist()) for name, array in arrays.items()},
            "advice": list(self.advice),
        }

    def __repr__(self) -> str:
        return describe.format_text(describe_quality(self))

    def _repr_html_(self) -> str:
        sections = describe_quality(self).items()
        return "".join(describe.format_table(rows, caption) for caption, rows in sections)


def find_quality(
    fitted: Fitted, labels: str | Sequence[str] | None, *, progress: bool | None
) -> Quality:
    """Return the quality of a model; see `Model.quality`."""
    names = _choose_labels(fitted, labels)
    kept = choose_evenly(len(fitted.support.latents), MOST_PATTERNS)
    values = _find_label_values(fitted, names)[kept]
    problems = [find_problem(column) for column in values.T]
    figures = _measure_map(fitted, kept)
    maps = {fitted.n_latent: fitted.support.latents[kept]}
    most = find_most_latents(fitted.support.coefficients.shape[1], len(kept))
    others = [n for n in NUMBERS if n <= most and n not in maps]
    disable = None if progress is None else not progress
    usable = [i for i, problem in enumerate(problems) if not problem]
    numbers = sorted([*maps, *others])
    r2 = np.full((len(names), len(numbers)), np.nan)
    with tqdm(total=len(others) + len(usable), desc="quality", disable=disable) as bar:
        for n in others:
            maps[n] = fit_latents(fitted, kept, n)
            bar.update()
        for i in usable:
            r2[i] = [
                measure_label(maps[n], values[:, i], names[i], seed=fitted.config.seed)
                for n in numbers
            ]
            bar.update()
    parts = [find_predicted_part(fitted, kept, maps[n]) for n in numbers]
    figures = figures.assign_coords(label=np.array(names, dtype=object), n_latent=numbers).assign(
        label_r2=(("label", "n_latent"), r2),
        label_problem=("label", np.array(problems, dtype=object)),
        predicted_part=("n_latent", parts),
    )
    return Quality(figures, write_advice(figures))


def _choose_labels(fitted: Fitted, labels: str | Sequence[str] | None) -> list[str]:
    known = fitted.label_names()
    if labels is None:
        return known
    names = [labels] if isinstance(labels, str) else list(dict.fromkeys(labels))
    for name in names:
        if name not in known:
            raise DataError(
                f"the training data have no numeric label {name!r}; choose labels of {known}"
            )
    return names


def _find_label_values(fitted: Fitted, names: list[str]) -> Float:
    """Return labels `(reference, label)` of the training patterns that the model keeps."""
    count = len(fitted.support.latents)
    if not names:
        return np.empty((count, 0))
    _, values = find_training_labels(fitted, names)
    return values[fitted.label_rows]


def _measure_map(fitted: Fitted, kept: npt.NDArray[np.intp]) -> xr.Dataset:
    """Return the figures that need no further fit."""
    coefficients, latents = fitted.support.coefficients[kept], fitted.support.latents[kept]
    weighted = fitted.weights.weigh(coefficients).astype(np.float64)
    by_pca = project_on_components(weighted, fitted.n_latent)
    trust = [find_trustworthiness(weighted, points) for points in (latents, by_pca)]
    members = fitted.autoencoder.encode_coefficients(coefficients)
    apart = members.std(axis=0) / max(float(latents.std()), 1e-300)
    everything = fitted.support.coefficients
    complete = dataclasses.replace(
        fitted.weights, predictability=complete_predictability(fitted, kept)
    )
    dimension = find_dimension(complete.weigh_predicted(everything))
    axes = range(1, fitted.n_latent + 1)
    return xr.Dataset(
        {
            "reconstruction_error": ("encoder", list(find_held_out_errors(fitted, kept))),
            "trustworthiness": ("encoder", trust),
            "member_spread": float(np.sqrt(np.square(apart).mean())),
            "dimension": dimension.value if dimension.is_known else math.nan,
            "different_patterns": dimension.n_pattern,
            "predicted_part_of_axes": (
                "latent_axis",
                [find_predicted_part(fitted, kept, latents[:, :n]) for n in axes],
            ),
        },
        coords={"encoder": ["autoencoder", "PCA"], "latent_axis": np.arange(fitted.n_latent)},
        attrs={"n_latent": fitted.n_latent, "neighbours": NEIGHBOURS},
    )


def write_advice(figures: xr.Dataset) -> tuple[str, ...]:
    """Return advice in words that follows from the figures of a `Quality`."""
    return (*_judge_number(figures), *_judge_map(figures))


def _judge_number(figures: xr.Dataset) -> list[str]:
    """Return sentences about the labels and the number of latents."""
    own, n_pattern = int(figures.attrs["n_latent"]), int(figures["different_patterns"])
    numbers = figures["n_latent"].values.tolist()
    rows = {
        str(name): figures["label_r2"].sel(label=name).values for name in figures["label"].values
    }
    usable = {name: row for name, row in rows.items() if np.isfinite(row).all()}
    here = numbers.index(own)
    told = [f"{name} (R2 {row[here]:.2f})" for name, row in usable.items() if row[here] >= TOLD]
    said = [f"The map tells {_join_names(told)}."] if told else []
    if len(usable) < len(rows):
        said += [f"R2 cannot be found for {_join_names([n for n in rows if n not in usable])}."]
    if not rows:
        said.append("There is no numeric label by which the map could be judged.")
    if n_pattern < FEWEST:
        few = f"{n_pattern} different patterns are too few to choose the number of latents"
        return [*said, f"{few} ({FEWEST} are needed)."]
    better: dict[int, list[str]] = {}
    lost = []
    for name, row in usable.items():
        best = row.max()
        if best < TOLD:
            lost.append(f"{name} (R2 at most {max(best, 0):.2f})")
        elif best - row[here] >= GAIN:
            n = numbers[int(np.flatnonzero(row >= best - AS_GOOD)[0])]
            change = f"R2 {row[numbers.index(n)]:.2f} instead of {row[here]:.2f}"
            better.setdefault(n, []).append(f"{name} ({change})")
    said += [f"{n} latents would tell {_join_names(better[n])} better." for n in sorted(better)]
    if lost:
        others = " or ".join(map(str, numbers))
        said.append(f"Maps of {others} latents do not tell {_join_names(lost)}.")
    if better:
        return said
    dimension = float(figures["dimension"])
    fewer = [n for i, n in enumerate(numbers[:here]) if _is_as_good(usable, i, here)]
    if told and fewer:
        said.append(f"{fewer[0]} latents would tell the labels as well as {own}.")
    elif not told and math.isfinite(dimension) and math.ceil(dimension) > own:
        said.append(
            f"The patterns vary in about {dimension:.1f} directions: try more latents than {own} "
            "(n_latent='auto')."
        )
    return said


def _is_as_good(rows: dict[str, Float], i: int, here: int) -> bool:
    """Return whether the number of latents at position `i` tells all labels as well."""
    return all(row[i] >= row[here] - AS_GOOD for row in rows.values())


def _judge_map(figures: xr.Dataset) -> list[str]:
    """Return sentences about the map beside PCA, and about its members."""
    error, by_pca = figures["reconstruction_error"].values
    said = []
    if math.isnan(error):
        said.append("No pattern was held out, so the reconstruction error is not known.")
    else:
        ratio = error / max(by_pca, 1e-300)
        word = "as well as" if ratio <= 1 + DIFFERENT else "worse than"
        word = "better than" if ratio < 1 - DIFFERENT else word
        said.append(
            f"Held-out patterns are reconstructed {word} by PCA with as many components "
            f"(error {error:.3f}, PCA {by_pca:.3f})."
        )
    trust, of_pca = figures["trustworthiness"].values
    if trust < of_pca - LESS_TRUSTED:
        said.append(
            f"PCA with as many components keeps neighbours better together (trustworthiness "
            f"{of_pca:.3f} instead of {trust:.3f}): train longer (steps=)."
        )
    spread = float(figures["member_spread"])
    if spread > APART:
        said.append(
            f"The members disagree about the map by {spread:.2f} of its spread: train longer "
            "(steps=), or take more patterns."
        )
    return said


def _join_names(names: list[str]) -> str:
    """Return a list of names in words; the last ones only as their number."""
    if len(names) > MOST_NAMES:
        names = [*names[:MOST_NAMES], f"{len(names) - MOST_NAMES} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def describe_quality(quality: Quality) -> describe.Sections:
    """Return sections of names and values that describe the quality of a model."""
    figures = quality.figures
    own, numbers = int(figures.attrs["n_latent"]), figures["n_latent"].values.tolist()
    error, trust, dimension = (
        figures[name].values for name in ("reconstruction_error", "trustworthiness", "dimension")
    )
    n_pattern = int(figures["different_patterns"])
    parts = ", ".join(f"{part:.0%}" for part in figures["predicted_part_of_axes"].values)
    sections = {
        "Quality": {
            "latent axes": str(own),
            "held-out error": f"{error[0]:.4f} of the patterns' spread, PCA {error[1]:.4f}"
            if math.isfinite(error[0])
            else "not known: no pattern was held out",
            "trustworthiness": f"{trust[0]:.4f} ({NEIGHBOURS} neighbours), PCA {trust[1]:.4f}",
            "members": f"differ by {float(figures['member_spread']):.3f} of the spread of the map",
            "dimension": f"{float(dimension):.1f}, of {n_pattern} different patterns"
            if math.isfinite(dimension)
            else f"not known: {n_pattern} different patterns, {FEWEST} are needed",
            "axes predict": f"{parts} of the weighted variance (first axis, first two ...)",
        },
        "R2 of labels, by the number of latents": {
            str(name): problem or _list_by_number(row, numbers, own, "{:.3f}")
            for name, problem, row in zip(
                figures["label"].values,
                figures["label_problem"].values,
                figures["label_r2"].values,
                strict=True,
            )
        },
        "Weighted variance that neighbours predict, by the number of latents": {
            "part": _list_by_number(figures["predicted_part"].values, numbers, own, "{:.0%}")
        },
        "Advice": {str(i): sentence for i, sentence in enumerate(quality.advice, 1)},
    }
    return {caption: rows for caption, rows in sections.items() if rows}


def _list_by_number(values: Float, numbers: list[int], own: int, style: str) -> str:
    shown = zip(numbers, values, strict=True)
    return ", ".join(f"{n}{' (model)' if n == own else ''}: {style.format(v)}" for n, v in shown)


def _make_plain(value: Any) -> Any:
    """Return nested lists with None in place of NaN."""
    if isinstance(value, list):
        return [_make_plain(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
