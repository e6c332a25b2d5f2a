"""Plots of attached results. Methods take `ax=` and return the Axes, as in xarray.

`pairs` and `clusters` fill a figure: they take `fig=` and return arrays of Axes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xrdae.plot.clusters import draw_clusters, draw_stability
from xrdae.plot.latent import draw_latent
from xrdae.plot.maps import draw_map, draw_relevance_map
from xrdae.plot.model_quality import (
    draw_estimate,
    draw_novelty,
    draw_quality,
    draw_training,
    draw_weights,
)
from xrdae.plot.pairs import draw_pairs
from xrdae.plot.relevance import draw_relevance
from xrdae.plot.synthesis import draw_synthesis

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from xrdae.model import Model
    from xrdae.plot.phases import Phases
    from xrdae.quality import Quality


class Plot:
    """Plots of the results that a dataset carries.

    Methods draw in the axes `ax`, or in a new pyplot figure, and return the axes. They raise
    DataError if a result or a label is missing, and name the call that attaches it. They raise
    ImportError without matplotlib. An axis that is not a diffraction axis keeps its direction:
    binding energies run from high to low.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    def latent(
        self,
        *,
        color: str | None = None,
        uncertainty: bool = False,
        density: bool = False,
        path: str | bool | None = None,
        latent_axes: Sequence[int] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Scatter two latent axes; a single one against the order of the patterns.

        Both axes have one scale, unless the map is more than five times as long as wide. Patterns
        without latents are left out.

        Parameters
        ----------
        color
            Name of a label along the sample dimensions, or of a result such as "novelty": of
            numbers or times, or of at most eight categories (texts, truth values, CF flags), which
            get a colour and a marker each; None: one colour.
        uncertainty
            Draw an ellipse of one `latent_std` around each pattern.
        density
            Draw the patterns' density (Gaussian kernels, Scott's width) behind: contours that
            hold 95, 80, 60, 40 and 20 % of them.
        path
            Draw a line with arrowheads through the patterns: True in the order of the dataset (of
            one sample dimension), a name in that of a label.
        latent_axes
            Numbers of one or two latent axes, such as (0, 2); None: the first two. `pairs` draws
            all of them.
        ax
            Where to draw; None: a new figure.

        Examples
        --------
        >>> ax = ds.xrdae.encode(model).xrdae.plot.latent(color="x")
        """
        return draw_latent(
            self._dataset,
            color=color,
            uncertainty=uncertainty,
            density=density,
            path=path,
            latent_axes=latent_axes,
            ax=ax,
        )

    def pairs(
        self,
        *,
        color: str | None = None,
        latent_axes: Sequence[int] | None = None,
        fig: Figure | SubFigure | None = None,
    ) -> npt.NDArray[Any]:
        """Scatter every pair of latent axes, and draw the histogram of each axis.

        The panels below the diagonal show the pairs, the panels on the diagonal the histograms. All
        panels have one scale, unless an axis is more than five times as long as another. A single
        latent axis is drawn against the order of the patterns, as by `latent`. Patterns without
        latents are left out.

        Parameters
        ----------
        color
            Name of a label or of a result, as of `latent`. Its one legend or colour bar is above
            the diagonal.
        latent_axes
            Numbers of the latent axes, at most 12; None: all.
        fig
            Empty figure or subfigure to draw in; None: a new pyplot figure.

        Returns
        -------
        numpy.ndarray
            Axes `(latent axis up, latent axis across)`, None above the diagonal. The figure is
            `axes[0, 0].figure`.

        Raises
        ------
        DataError
            If an axis does not exist or is given twice, or there are more than 12.

        Examples
        --------
        >>> three = ds.xrdae.fit(n_latent=3, steps=20, members=2, progress=False)
        >>> axes = ds.xrdae.encode(three).xrdae.plot.pairs(color="x")
        >>> axes.shape
        (3, 3)
        """
        return draw_pairs(self._dataset, color=color, latent_axes=latent_axes, fig=fig)

    def relevance(
        self,
        *,
        pattern: Mapping[str, int] | int | None = None,
        phases: Phases | None = None,
        label: str | None = None,
        latent_axes: Sequence[int] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw a pattern, each region shaded by its relevance.

        Arrows above show where replacing the region moves the latent point, along two latent
        axes. Below the pattern, symbols show the verdict of each region, and shades show
        `region_std`, the simple measure. A strong region called irrelevant and a weak region
        called relevant are named. Results without verdicts are drawn without symbols and names.

        Parameters
        ----------
        pattern
            Position along the one sample dimension, or positions; None: the mean of all, and that
            of their relevance and shifts.
        phases
            CIF of a phase, a list of them, or a dict from names to CIFs: their reflections
            stronger than a thousandth of the strongest are marked below the pattern, with the
            indices of the strongest where there is room; needs gemmi.
        label
            Name of a label: symbols and names are its verdicts, `<label>_verdict`. None:
            `relevance_verdict`.
        latent_axes
            Numbers of one or two latent axes for the arrows (to the right, up); None: the first
            two. The shades are those of the shift along all axes.
        ax
            Where to draw; None: a new figure.

        Raises
        ------
        DataError
            With `phases` on a two_theta axis without a wavelength, or on an axis that is not one
            of diffraction. With `label`, if the dataset has no verdicts for it.

        Examples
        --------
        >>> ax = ds.xrdae.relevance(model, label="x").xrdae.plot.relevance(label="x")
        """
        return draw_relevance(
            self._dataset,
            pattern=pattern,
            phases=phases,
            label=label,
            latent_axes=latent_axes,
            ax=ax,
        )

    def relevance_map(self, *, y: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the relevance of every pattern along the axis as an image.

        Symbols above show the verdict of each region, if the results have verdicts.

        Parameters
        ----------
        y
            Name of a label of numbers or times by which the patterns are sorted; patterns of
            equal labels get a row each. None: the coordinate of the sample dimension where it rises
            or falls throughout, else the position; several sample dimensions are stacked. Of more
            than 2000 patterns, as many are drawn, evenly chosen.
        ax
            Where to draw; None: a new figure.

        Examples
        --------
        >>> ax = ds.xrdae.relevance(model).xrdae.plot.relevance_map(y="x")
        """
        return draw_relevance_map(self._dataset, y=y, ax=ax)

    def synthesis(self, *, ax: Axes | None = None) -> Axes:
        """Draw synthesized patterns as a waterfall, the first at the bottom.

        Those between two patterns: with these below and above in black, and their linear blend
        dashed. Others: with the measured pattern of the nearest latents in grey, where the
        dataset has `latent`. At the right: the first label that varies, else how far between.

        Examples
        --------
        >>> ax = ds.xrdae.synthesize(model, between=(0, 11)).xrdae.plot.synthesis()
        """
        return draw_synthesis(self._dataset, ax=ax)

    def clusters(self, *, fig: Figure | SubFigure | None = None) -> npt.NDArray[Any]:
        """Draw the latents by cluster, and the mean pattern of each cluster.

        Each cluster has a colour and a marker; patterns between clusters are grey points. Shades
        behind a mean pattern are the regions in which its cluster differs most from the others.

        Parameters
        ----------
        fig
            Empty figure or subfigure to draw in; None: a new pyplot figure.

        Returns
        -------
        numpy.ndarray
            Two Axes: latents, mean patterns.

        Examples
        --------
        >>> model = phases.xrdae.fit(steps=50, members=2, progress=False)
        >>> out = phases.xrdae.encode(model).xrdae.cluster(model)
        >>> latents, patterns = out.xrdae.plot.clusters()
        """
        return draw_clusters(self._dataset, fig=fig)

    def stability(self, *, ax: Axes | None = None) -> Axes:
        """Draw how stable and how separate clusters are, by their number.

        The stability is the agreement (adjusted Rand index) of clusters from two halves of the
        patterns, with its standard error. Do not trust clusters below the grey line.

        Examples
        --------
        >>> ax = phases.xrdae.cluster(model).xrdae.plot.stability()
        """
        return draw_stability(self._dataset, ax=ax)

    def training(self, model: Model, *, ax: Axes | None = None) -> Axes:
        """Draw the loss and the held-out error of a model over the steps of its training.

        Both are root mean squared errors over the spread of the patterns. The best held-out error
        is marked: the model's state is that of its step.

        Examples
        --------
        >>> ax = ds.xrdae.plot.training(model)
        """
        return draw_training(model, ax=ax)

    def weights(self, model: Model, *, ax: Axes | None = None) -> Axes:
        """Draw what the map of a model weighs, by component of the basis.

        Bars show the part of the variance, and the part of the weighted variance, that the first
        components have. Points show which part of each coefficient the nearest patterns predict.

        Examples
        --------
        >>> ax = ds.xrdae.plot.weights(model)
        """
        return draw_weights(model, ax=ax)

    def quality(self, model: Model | Quality, *, ax: Axes | None = None) -> Axes:
        """Draw how well maps of other numbers of latents would tell the labels.

        Lines show R2 of each label (of at most eight, those that differ most), and the part of the
        weighted variance that neighbours on the map predict. The model's number is shaded. The
        title tells the figures of the map.

        Parameters
        ----------
        model
            A model, or what `model.quality()` returned. That of a model takes some seconds.
        ax
            Where to draw; None: a new figure.

        Examples
        --------
        >>> ax = ds.xrdae.plot.quality(model.quality(progress=False))
        """
        from xrdae.quality import Quality

        return draw_quality(model if isinstance(model, Quality) else model.quality(), ax=ax)

    def estimate(self, label: str, *, ax: Axes | None = None) -> Axes:
        """Draw `<label>_estimate` against the label, with bars of one `<label>_std`.

        The text says R2 and mean absolute error of the patterns drawn, of which the estimate may
        know the labels, and of the blocks held out in cross-validation. Of a category: how many
        patterns of each class have each class as estimate.

        Examples
        --------
        >>> ax = ds.xrdae.estimate(model, "x").xrdae.plot.estimate("x")
        """
        return draw_estimate(self._dataset, label, ax=ax)

    def map(
        self,
        *,
        x: str | None = None,
        y: str | None = None,
        latent_axes: Sequence[int] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw latents over a map, two of them as a two-dimensional colour.

        Colours run from the 1 % to the 99 % quantile of each latent. Patterns without latents are
        hatched, or crosses.

        Parameters
        ----------
        x, y
            Names of two labels, at which each pattern is a marker; None: the dataset has two
            sample dimensions, which make an image (the second one to the right).
        latent_axes
            Numbers of one or two latent axes; None: the first two.
        ax
            Where to draw; None: a new figure.

        Examples
        --------
        >>> row, column = np.divmod(np.arange(12), 4)
        >>> rows = ds.assign_coords(y=("pattern", row), z=("pattern", column))
        >>> grid = rows.set_index(pattern=["y", "z"]).unstack("pattern")
        >>> ax = grid.xrdae.encode(model).xrdae.plot.map()
        """
        return draw_map(self._dataset, x=x, y=y, latent_axes=latent_axes, ax=ax)

    def novelty(self, *, x: str | None = None, ax: Axes | None = None) -> Axes:
        """Draw the novelty of every pattern, and the limit above which it is unlike the training.

        Parameters
        ----------
        x
            Name of a label of numbers or times; None: the coordinate of the sample dimension where
            it rises or falls throughout, else the position; several sample dimensions are stacked.
        ax
            Where to draw; None: a new figure.

        Examples
        --------
        >>> ax = ds.xrdae.encode(model).xrdae.plot.novelty(x="x")
        """
        return draw_novelty(self._dataset, x=x, ax=ax)
