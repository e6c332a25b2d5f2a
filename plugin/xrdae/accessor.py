"""The accessor `ds.xrdae`: sugar over the hooks, one line a method, no state."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from xrdae.errors import DataError
from xrdae.plugins import (
    call_hook,
    check_model,
    latents_and_relevance,
    model_input,
    to_dataset,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from xrdae.analysis.request import Position
    from xrdae.model import Model
    from xrdae.plot import Plot
    from xrdae.plot.phases import Phases
    from xrdae.preprocessing.peaks import Regions
    from xrdae.report import Report


def analyze(obj: Any, model: Model) -> Any:
    """Attach latents and relevance to any host's object.

    Parameters
    ----------
    obj
        A Dataset, a DataArray, or any object that an adapter converts.
    model
        A fitted model.

    Returns
    -------
    object
        The host's object, or its replacement, with the results of `encode` and `relevance`.

    Examples
    --------
    >>> analyzed = xrdae.analyze(ds, model)
    >>> sorted(set(analyzed.data_vars) & {"latent", "relevance"})
    ['latent', 'relevance']
    """
    check_model(model)
    result = latents_and_relevance(to_dataset(obj), model)
    return call_hook("xrdae_attach", obj=obj, result=result)


@xr.register_dataset_accessor("xrdae")  # type: ignore[no-untyped-call]
@xr.register_dataarray_accessor("xrdae")  # type: ignore[no-untyped-call]
class XrdaeAccessor:
    """Fit and apply models to the diffraction patterns of a Dataset (or DataArray).

    Every method returns a new Dataset. The original is not changed.
    """

    def __init__(self, obj: xr.Dataset | xr.DataArray) -> None:
        self._obj = obj

    def fit(
        self,
        *,
        update: Model | None = None,
        progress: bool | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        **settings: Any,
    ) -> Model:
        """Fit a model; keyword arguments are the fields of `xrdae.Config`.

        With `update`, return a model that continues from that model and is also trained on these
        patterns. It keeps settings and map; see `Model.update`. `checkpoint` is a file for the
        state of training; see `Model.fit`.

        Examples
        --------
        >>> model = ds.xrdae.fit(n_latent=1, members=2, steps=20, progress=False)
        >>> model.label_names()
        ['x']
        """
        from xrdae.config import Config

        dataset = to_dataset(self._obj)
        options: dict[str, Any] = {"progress": progress, "checkpoint": checkpoint}
        if update is None:
            config = Config.from_options(settings)
            return call_hook("xrdae_fit", dataset=dataset, config=config, **options)  # type: ignore[no-any-return]
        check_model(update)
        config = Config.from_options(vars(update.config) | settings)
        return call_hook("xrdae_update", dataset=dataset, model=update, config=config, **options)  # type: ignore[no-any-return]

    def encode(self, model: Model) -> xr.Dataset:
        """Add `latent`, `latent_std`, `reconstruction_error` and `novelty`; see `Model.encode`.

        Examples
        --------
        >>> ds.xrdae.encode(model)["latent"].dims
        ('pattern', 'latent_axis')
        """
        return self._attach(call_hook("xrdae_encode", dataset=to_dataset(self._obj), model=model))

    def reconstruct(self, model: Model) -> xr.Dataset:
        """Add `reconstruction`; see `Model.reconstruct`.

        Examples
        --------
        >>> ds.xrdae.reconstruct(model)["reconstruction"].dims
        ('pattern', 'two_theta')
        """
        given = self._get_input(model)
        return self._attach(model.reconstruct(**given))

    def relevance(
        self,
        model: Model,
        regions: Regions = "peaks",
        fill: str = "conditional",
        label: str | Sequence[str] | None = None,
        *,
        reference: xr.Dataset | None = None,
    ) -> xr.Dataset:
        """Add `relevance`, verdicts and related results; see `Model.relevance`.

        Examples
        --------
        >>> result = ds.xrdae.relevance(model, regions=2.0, label="x")
        >>> result["relevance"].dims, result["x_change"].dims
        (('pattern', 'region'), ('region',))
        """
        return self._attach(
            call_hook(
                "xrdae_relevance",
                dataset=to_dataset(self._obj),
                model=model,
                regions=regions,
                fill=fill,
                label=label,
                reference=None if reference is None else to_dataset(reference),
            )
        )

    def tabulate_relevance(
        self, label: str | Sequence[str] | None = None, phases: Phases | None = None
    ) -> xr.Dataset:
        """Return the attached relevance as a table with one row for each region.

        To choose a peak to watch for a label, sort the relevant regions by `<label>_r2`.

        Parameters
        ----------
        label
            Name or names of labels; None: all labels with which the regions were compared.
        phases
            CIF of a phase, a list of them, or a dict from names to CIFs; needs gemmi.

        Returns
        -------
        Dataset
            Along `region`: the bounds; `relevance`, the mean of all patterns; `region_change`,
            `region_std` [intensity], `relevance_excess`; for each label `<label>_change`,
            `_pvalue`, `_slope` and `_r2`; the verdicts in words. `hkl`, with phases: the Miller
            indices of at most four reflections in the region, the strongest first.
            `to_dataframe()` converts it to pandas.

        Raises
        ------
        DataError
            If the dataset has no relevance, or no verdicts for a label.

        Examples
        --------
        >>> table = ds.xrdae.relevance(model, label="x").xrdae.tabulate_relevance()
        >>> table["x_verdict"].dims, table["relevance"].dims
        (('region',), ('region',))
        """
        from xrdae.region_table import tabulate_relevance

        return tabulate_relevance(to_dataset(self._obj), label, phases)

    def synthesize(
        self,
        model: Model,
        *,
        between: tuple[Position, Position] | None = None,
        n: int = 5,
        endpoints: bool = False,
        at: Mapping[str, Sequence[float]] | None = None,
        latent: npt.ArrayLike | None = None,
        extrapolate: bool = False,
    ) -> xr.Dataset:
        """Add `synthesized` and related results; see `Model.synthesize`.

        Examples
        --------
        >>> result = ds.xrdae.synthesize(model, between=(0, 11), n=3)
        >>> result["synthesized"].shape
        (3, 200)
        """
        from xrdae.analysis.request import Request

        request = Request(
            between=between,
            n=n,
            endpoints=endpoints,
            at=at,
            latent=latent,
            extrapolate=extrapolate,
        )
        return self._attach(
            call_hook(
                "xrdae_synthesize", dataset=to_dataset(self._obj), model=model, request=request
            )
        )

    def estimate(
        self, model: Model, label: str, *, reference: xr.Dataset | None = None
    ) -> xr.Dataset:
        """Add `<label>_estimate` with its uncertainty; see `Model.estimate`.

        Examples
        --------
        >>> result = ds.xrdae.estimate(model, "x")
        >>> bool(abs(result["x_estimate"] - ds["x"]).mean() < 0.1)
        True
        """
        given = self._get_input(model)
        if reference is not None:
            reference = to_dataset(reference)
        return self._attach(model.estimate(label=label, reference=reference, **given))

    def cluster(
        self,
        model: Model,
        n: int | str = "auto",
        *,
        label: str | None = None,
        reference: xr.Dataset | None = None,
    ) -> xr.Dataset:
        """Add `cluster`, `cluster_probability` and related results; see `Model.cluster`.

        Examples
        --------
        >>> result = phases.xrdae.cluster(model)
        >>> result["cluster_pattern"].dims, result.sizes["cluster_axis"]
        (('cluster_axis', 'two_theta'), 2)
        """
        if reference is not None:
            reference = to_dataset(reference)
        arguments = {"n": n, "label": label, "reference": reference}
        return self._attach(
            call_hook("xrdae_cluster", dataset=to_dataset(self._obj), model=model, **arguments)
        )

    def compare_clusters(self, label: str) -> xr.DataArray:
        """Count the patterns of each cluster in each class of a label; see `compare_clusters`.

        Examples
        --------
        >>> table = phases.xrdae.cluster(model).xrdae.compare_clusters("phase")
        >>> table.dims, table.attrs["adjusted_rand"]
        (('cluster', 'phase'), 1.0)
        """
        from xrdae.analysis.compare_clusters import compare_clusters

        return compare_clusters(to_dataset(self._obj), label)

    @property
    def plot(self) -> Plot:
        """Plots of attached results, such as `plot.latent()`; see `xrdae.plot.Plot`."""
        from xrdae.plot import Plot

        return Plot(to_dataset(self._obj))

    def report(
        self,
        model: Model,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        progress: bool | None = None,
    ) -> Report:
        """Return the explorer, one HTML page, and write it if a path is given; see `make_report`.

        Examples
        --------
        >>> page = ds.xrdae.report(model, "explorer.html", progress=False)
        """
        from xrdae.report import make_report

        check_model(model)
        report = make_report(to_dataset(self._obj), model, title=title, progress=progress)
        if path is not None:
            report.save(path)
        return report

    def _repr_html_(self) -> str:
        from xrdae import describe

        try:
            rows = describe.describe_patterns(to_dataset(self._obj))
        except DataError as error:  # a representation does not raise
            rows = {"patterns": f"not found: {error}"}
        return describe.format_table(rows, "xrdae")

    def _get_input(self, model: Model) -> dict[str, Any]:
        dataset = to_dataset(self._obj)
        return {"dataset": dataset, "inputs": model_input(dataset, model)}

    def _attach(self, result: xr.Dataset) -> xr.Dataset:
        attached: xr.Dataset = call_hook("xrdae_attach", obj=self._obj, result=result)
        return attached
