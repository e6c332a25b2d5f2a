"""bluesky: a callback that encodes every pattern as its event comes, and writes results to tiled.

Examples
--------
>>> RE.subscribe(LiveEncoder(model, client))
>>> client[f"{uid}_primary_xrdae_live"].read()["latent"]

It takes as long as encoding and writing do. Where a scan must not wait for that, bluesky's own
`BufferingWrapper(LiveEncoder(model, client))` works on it in a thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from event_model import DocumentRouter

from xrdae.errors import warn
from xrdae.live.notification import Observer
from xrdae.provenance import fingerprint, generalize_provenance
from xrdae_adapters.events import DataKeys, names_of_readings, to_patterns
from xrdae_adapters.rows import DIM, Rows
from xrdae_adapters.tiled import metadata_of

if TYPE_CHECKING:
    from xrdae.model import Model

Document = Mapping[str, Any]


@dataclasses.dataclass
class _Run:
    """What is known of a run while it goes on."""

    start: Document
    keys: dict[str, DataKeys] = dataclasses.field(default_factory=dict)  # by descriptor
    rows: Rows | None = None


class LiveEncoder(DocumentRouter):
    """Encodes the patterns of runs as their events come, and writes results beside the runs.

    Results are those of `xrdae.analyze`, and `novel (time)`: latents, novelty and relevance, with
    the readings of one value as labels and `seq_num`, in `<uid>_<stream>_xrdae_live`, a Dataset
    that grows while the run goes on. Which reading is the axis and which the intensity is found
    as for a run on a server. Every plugin hears of them by the hook `xrdae_on_result`.

    Nothing is written twice: events that are there already, of an earlier process or in documents
    that are replayed, are left alone. Nothing is raised: an event that cannot be encoded is named
    in a warning, and results that cannot be written are tried again with the next event, at last
    when the run ends.

    Patterns that a detector writes to files itself (stream_resource, stream_datum) do not come in
    events; such runs are analyzed when they are on the server: `xrdae.analyze(client[uid], model)`.

    Parameters
    ----------
    model
        A fitted model.
    container
        Client of a container on a tiled server.
    stream
        Name of the stream with the patterns; others are ignored.
    threshold
        Novelty above which a pattern is `novel`.
    batch_size
        Number of events whose results are written at once; those left over with the run's end.
    """

    def __init__(
        self,
        model: Model,
        container: Any,
        *,
        stream: str = "primary",
        threshold: float = 1.0,
        batch_size: int = 1,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size!r} must be at least 1")
        self._observer = Observer(model, threshold=threshold)
        self._container = container
        self._stream = stream
        self._batch_size = batch_size
        self._runs: dict[str, _Run] = {}
        self._run_of: dict[str, str] = {}  # by descriptor

    def __call__(self, name: str, doc: Any, validate: bool = False) -> tuple[str, Any]:
        """Take a document; what goes wrong is a warning, as a scan must not end by it."""
        try:
            super().__call__(name, doc, validate)
        except Exception as error:
            _warn(f"{name} {doc.get('uid', '')}", error)
        return name, doc

    def start(self, doc: Any) -> None:
        """Remember a run."""
        self._runs[doc["uid"]] = _Run(doc)

    def descriptor(self, doc: Any) -> None:
        """Remember what the readings of the stream are."""
        run = self._runs.get(doc["run_start"])
        if run is None or doc["name"] != self._stream:
            return
        self._run_of[doc["uid"]] = doc["run_start"]
        run.keys[doc["uid"]] = {k: v for k, v in doc["data_keys"].items() if "external" not in v}
        if files := [k for k, v in doc["data_keys"].items() if _is_pattern_in_a_file(v)]:
            warn(
                f"LiveEncoder: readings {files} of run {doc['run_start']} are written to files by "
                "their detectors and not looked at; when the run is on the server: "
                "xrdae.analyze(client[uid], model)"
            )

    def event(self, doc: Any) -> Any:
        """Encode the pattern of an event, tell plugins of it, and write the results."""
        uid = self._run_of.get(doc["descriptor"])
        if uid is None:
            return doc
        run, number = self._runs[uid], int(doc["seq_num"])
        if run.rows is not None and number in run.rows:
            return doc
        try:
            keys = run.keys[doc["descriptor"]]
            result = self._observer.results(_patterns(doc, keys, run.start))
            if run.rows is None:
                run.rows = self._rows(uid, result)
                self._try(run.rows.connect, uid)
                if number in run.rows:
                    return doc
            run.rows.add(number, result)
        except Exception as error:
            _warn(f"event {number} of run {uid}", error)
            return doc
        self._tell(result, f"event {number} of run {uid}")
        if len(run.rows) >= self._batch_size:
            self._try(run.rows.flush, uid)
        return doc

    def stop(self, doc: Any) -> None:
        """Write what is left over and forget the run."""
        run = self._runs.pop(doc["run_start"], None)
        if run is None:
            return
        for uid in run.keys:
            del self._run_of[uid]
        if run.rows is None:
            return
        self._try(run.rows.flush, doc["run_start"])
        if len(run.rows):
            _warn(
                f"run {doc['run_start']} has ended and {len(run.rows)} results are not written",
                "make them again from the run: xrdae.analyze(client[uid], model)",
            )

    def _rows(self, uid: str, result: xr.Dataset) -> Rows:
        """Return the rows of a run, those that an earlier process wrote with this model too."""
        path = "/".join([*filter(None, self._container.path_parts), uid, self._stream])
        result = result.assign_attrs(
            generalize_provenance(result.attrs),
            xrdae_model=fingerprint(self._observer.model),
            xrdae_threshold=self._observer.threshold,
        )
        metadata = metadata_of(result, path, of_run=True)
        key = f"{uid}_{self._stream}_xrdae_live"
        return Rows(self._container, key=key, metadata=metadata)

    def _tell(self, result: xr.Dataset, what: str) -> None:
        """Tell plugins of a result, and the user of a broken pattern and of drift."""
        if not np.isfinite(result["latent"]).all():
            _warn(what, "it has no positive finite intensity: its latents are NaN")
        self._observer.announce(result)
        if message := self._observer.drift(result["novel"].values):
            _warn(what, message)

    def _try(self, action: Callable[[], None], uid: str) -> None:
        """Do what needs the server; rows that are not written wait for the next time."""
        try:
            action()
        except Exception as error:
            _warn(f"results of run {uid} are not written yet", error)


def _patterns(doc: Document, keys: DataKeys, start: Document) -> xr.Dataset:
    """Return an event as a Dataset of one pattern."""
    readings = {}
    for name in names_of_readings(keys):
        value = np.asarray(doc["data"][name])
        readings[name] = ((DIM, *(f"{name}_{i}" for i in range(value.ndim))), value[None])
    dataset = xr.Dataset(readings, {DIM: (DIM, [doc["time"]])})
    return to_patterns(dataset, keys, start=start)


def _is_pattern_in_a_file(key: Mapping[str, Any]) -> bool:
    return "external" in key and sum(size != 1 for size in key["shape"]) == 1


def _warn(what: str, why: object) -> None:
    said = f"{type(why).__name__}: {why}" if isinstance(why, Exception) else why
    warn(f"LiveEncoder: {what}: {said}")
