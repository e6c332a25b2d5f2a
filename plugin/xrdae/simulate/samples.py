"""Simulated samples: the ThMn12-type alloy series, and mixtures of CIFs."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt
import xarray as xr

from xrdae.reflections import Floats, StrPath, alloy_structure, iron_structure, read_structure
from xrdae.simulate.arguments import check_vector
from xrdae.simulate.instrument import LABORATORY, Instrument
from xrdae.simulate.powder import label_attrs, simulate_patterns

PAPER = "Utimula et al. (2022), Adv. Theory Simul., doi:10.1002/adts.202200613"


def alloy_series(
    ti: npt.ArrayLike | None = None,
    *,
    zr: npt.ArrayLike | None = None,
    iron: float = 0.0,
    crossed: bool = True,
    two_theta: npt.ArrayLike | None = None,
    wavelength: float = 1.5406,
    instrument: Instrument = LABORATORY,
    counts: float = 10_000.0,
    b_iso: float = 0.5,
    texture: npt.ArrayLike = 1.0,
    zero_shift: npt.ArrayLike = 0.0,
    noise: bool = True,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate patterns of the magnetic alloys [Sm(1-y)Zr(y)]Fe(12-x)Ti(x) (see Notes).

    Parameters
    ----------
    ti : (ti,) x, Ti per formula unit, 0 to 4; default 15 values from 0 to 2.
    zr : (zr,) y, Zr fraction on 2a, 0 to 1; default 10 values from 0 to 0.5.
    iron : weight fraction of alpha-iron in every sample, 0 to below 1: a usual impurity, whose
        peaks say nothing about the composition.
    crossed : True: every ti with every zr (zr varies fastest). False: ti and zr are of equal
        length and give one pattern each.
    two_theta : (two_theta,) [degree], increasing, within 0 .. 180; default 2000 from 20 to 80.
    wavelength : [angstrom], monochromatic; the default is Cu K-alpha 1.
    instrument : peak shape and background.
    counts : height of each pattern's strongest peak above the background [counts].
    b_iso : overall isotropic Debye-Waller B [angstrom^2].
    texture : scalar or (pattern,), > 0: March-Dollase r along (0, 0, 1); 1 is none.
    zero_shift : scalar or (pattern,) [degree], added to every peak's two_theta.
    noise : Poisson noise; False gives the expected counts.
    seed : of the noise.

    Returns
    -------
    Dataset
        `intensity`, `intensity_errors` (pattern, two_theta) [counts], coordinates `ti`, `zr`
        (pattern) and `wavelength`, with iron also `phase` (reflection; 1 is iron); the truth:
        `reflection_position` [degree] (zero shift included) and `reflection_intensity`
        [counts*degree] on (pattern, reflection), NaN
        where a reflection is off the grid, with coordinates `h`, `k`, `l`; `lattice_a`,
        `lattice_c` [angstrom], `texture` and `zero_shift` [degree] on (pattern).

    Raises
    ------
    ValueError
        For an argument out of its range or of the wrong shape.
    ImportError
        Without gemmi: ``pip install "xrdae[simulate]"``.

    Notes
    -----
    A stand-in for the patterns of Utimula et al. (2022), doi:10.1002/adts.202200613, which are
    not public. Intensities: m |F|^2 LP exp(-2B s^2), LP = (1 + cos^2 2theta) /
    (sin^2 theta cos theta); no absorption, no K-alpha 2. Texture: Dollase, J. Appl. Cryst. 19
    (1986) 267.

    Examples
    --------
    >>> from xrdae.simulate import alloy_series
    >>> alloy_series(ti=[0.0, 1.0], zr=[0.0, 0.2], seed=0)["intensity"].dims
    ('pattern', 'two_theta')
    """
    x, y = pair_compositions(
        np.linspace(0, 2, 15) if ti is None else ti,
        np.linspace(0, 0.5, 10) if zr is None else zr,
        crossed=crossed,
    )
    if not 0 <= iron < 1:
        raise ValueError(f"iron is {iron}; give a weight fraction from 0 to below 1")
    structures = [alloy_structure(t, zr=z) for t, z in zip(x, y, strict=True)]
    n = len(structures)
    dataset = simulate_patterns(
        [*structures, iron_structure()],
        [{i: 1.0 - iron, n: iron} if iron else {i: 1.0} for i in range(n)],
        # one family: reflections of all members share their columns; phase 1 is iron
        phase=np.repeat([0, 1], [n, 1]),
        two_theta=two_theta, wavelength=wavelength, instrument=instrument, counts=counts,
        b_iso=b_iso, texture=texture, zero_shift=zero_shift, noise=noise, seed=seed,
    )  # fmt: skip
    cells = [s.cell for s in structures]
    lattice = {
        f"lattice_{e}": (
            "pattern",
            [getattr(c, e) for c in cells],
            label_attrs(f"lattice parameter {e}", "angstrom"),
        )
        for e in "ac"
    }
    return (dataset if iron else dataset.drop_vars("phase")).assign(lattice).assign_coords(
        ti=("pattern", x, label_attrs("Ti per formula unit", "1")),
        zr=("pattern", y, label_attrs("Zr fraction on 2a", "1")),
    ).assign_attrs(
        title="Simulated powder patterns of [Sm(1-y)Zr(y)]Fe(12-x)Ti(x), ThMn12 type",
        source="Simulated with illustrative lattice slopes (not refined values): a stand-in "
        f"for the data of {PAPER}, whose patterns are not public",
    )  # fmt: skip


def cif_patterns(
    paths: StrPath | Sequence[StrPath],
    *,
    fractions: npt.ArrayLike | None = None,
    two_theta: npt.ArrayLike | None = None,
    wavelength: float = 1.5406,
    instrument: Instrument = LABORATORY,
    counts: float = 10_000.0,
    b_iso: float = 0.0,
    texture: npt.ArrayLike = 1.0,
    zero_shift: npt.ArrayLike = 0.0,
    noise: bool = True,
    seed: int = 0,
) -> xr.Dataset:
    """Simulate one pattern for each CIF, or mixtures of the CIFs' phases.

    Parameters
    ----------
    paths : one CIF or a list, one phase each.
    fractions : (pattern, phase) weight fractions, >= 0, each row normalized to 1; default one
        pure pattern a CIF. A phase's intensities are scaled by w / (Z M V) (Hill & Howard,
        J. Appl. Cryst. 20 (1987) 467): equal absorption is assumed.
    two_theta, wavelength, instrument, counts, texture, zero_shift, noise, seed : as in
        `alloy_series`; texture is that of every phase.
    b_iso : overall B [angstrom^2], in addition to the displacements the CIFs give.

    Returns
    -------
    Dataset
        As `alloy_series`, less the alloy's labels; `weight_fraction` (pattern, component), and
        the coordinate `phase` on `reflection`: the file's stem. NaN where a reflection is off
        the grid or its phase not in the pattern.

    Raises
    ------
    ValueError
        For an argument out of its range or shape, or a CIF without atoms, cell or symmetry.
    ImportError
        Without gemmi: ``pip install "xrdae[simulate]"``.

    Examples
    --------
    >>> from xrdae.simulate import cif_patterns
    >>> cif_patterns("iron.cif")["intensity"].dims
    ('pattern', 'two_theta')
    """
    files = [Path(p) for p in ([paths] if isinstance(paths, str | PathLike) else paths)]
    if not files:
        raise ValueError("paths is empty; give at least one CIF")
    structures = [read_structure(p) for p in files]
    weights = normalize_fractions(
        np.eye(len(files)) if fractions is None else fractions, n=len(files)
    )
    stems = [p.stem for p in files]
    labels = np.array(stems if len(set(stems)) == len(stems) else [str(p) for p in files])
    dataset = simulate_patterns(
        structures,
        [{m: w for m, w in enumerate(row) if w > 0} for row in weights.tolist()],
        phase=np.arange(len(files)),
        two_theta=two_theta, wavelength=wavelength, instrument=instrument, counts=counts,
        b_iso=b_iso, texture=texture, zero_shift=zero_shift, noise=noise, seed=seed,
    )  # fmt: skip
    named = label_attrs("weight fraction", "1")
    return dataset.assign(weight_fraction=(("pattern", "component"), weights, named)).assign_coords(
        component=labels, phase=("reflection", labels[dataset["phase"].values])
    ).assign_attrs(
        title="Simulated powder patterns",
        source="Simulated from " + ", ".join(p.name for p in files),
    )  # fmt: skip


def pair_compositions(
    ti: npt.ArrayLike, zr: npt.ArrayLike, *, crossed: bool
) -> tuple[Floats, Floats]:
    """Return (pattern,) Ti and Zr contents: every pair if `crossed`, else element by element."""
    x, y = check_vector(ti, "ti"), check_vector(zr, "zr")
    for name, value, top in (("ti", x, 4), ("zr", y, 1)):
        outside = value[(value < 0) | (value > top)]
        if len(outside):
            raise ValueError(f"{name} holds {outside[0]}; give values from 0 to {top}")
    if crossed:
        return np.repeat(x, len(y)), np.tile(y, len(x))
    if len(x) != len(y):
        raise ValueError(
            f"ti has {len(x)} values and zr {len(y)}; give equal lengths, or crossed=True"
        )
    return x, y


def normalize_fractions(fractions: npt.ArrayLike, *, n: int) -> Floats:
    """Return weight fractions (pattern, phase) whose rows add up to 1."""
    weights = np.asarray(fractions, dtype=float)
    if weights.ndim != 2 or weights.shape[1] != n or not len(weights):
        raise ValueError(
            f"fractions has shape {weights.shape}; give (pattern, {n}), a column for each CIF"
        )
    bad = ~(np.isfinite(weights) & (weights >= 0)).all(axis=1) | ~(weights.sum(axis=1) > 0)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"fractions[{i}] is {weights[i].tolist()}; give weights >= 0 that are not all 0"
        )
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
