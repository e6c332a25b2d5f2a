"""bluesky: a callback that encodes patterns as their events arrive, and writes results to tiled.

The callback runs in the scan: an event takes as long as encoding and writing. If a scan must not
wait, run the callback in a thread with bluesky's `BufferingWrapper(LiveEncoder(model, client))`.

Examples
--------
>>> RE.subscribe(LiveEncoder(model, client))
>>> client[f"{uid}_primary_xrdae_live"].read()["latent"]
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
from xrdae_adapters.bluesky_readings import DataKeys, list_readings, to_patterns
from xrdae_adapters.tiled import build_metadata
from xrdae_adapters.tiled_rows import DIM, Rows

if TYPE_CHECKING:
    from xrdae.model import Model

Document = Mapping[str, Any]


@dataclasses.dataclass
class _Run:
    """State of a run in progress."""

    start: Document
    keys: dict[str, DataKeys] = dataclasses.field(default_factory=dict)  # by descriptor
    rows: Rows | None = None


class LiveEncoder(DocumentRouter):
    """Callback that encodes the patterns of a run and writes the results beside the run.

    The results are a Dataset `<uid>_<stream>_xrdae_live` that grows with the run. It holds the
    latents, novelty and relevance of `xrdae.analyze`, `novel (time)`, `seq_num`, and all readings
    with one value as labels. The axis and the intensity are identified as for a run on a server.
    Plugins are notified of each result through `xrdae_on_result`.

    Events that are already on the server are skipped, so documents may be replayed and a process
    may be restarted. The callback never raises. A warning names an event that cannot be encoded.
    Results that cannot be written are retried with the next event, and when the run ends.

    Patterns that a detector writes to files (stream_resource, stream_datum) are not in the events.
    Analyze such runs when they are on the server: `xrdae.analyze(client[uid], model)`.

    Parameters
    ----------
    model
        A fitted model.
    container
        Client of a container on a tiled server.
    stream
        Name of the stream with the patterns. Other streams are ignored.
    threshold
        Novelty above which a pattern is `novel`.
    batch_size
        Number of events whose results are written together. The end of the run writes the rest.

    Raises
    ------
    ValueError
        If `batch_size` is less than 1.

    Examples
    --------
    >>> RE.subscribe(LiveEncoder(model, client, batch_size=20))
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
            raise ValueError(f"batch_size is {batch_size!r}; it must be at least 1")
        self._observer = Observer(model, threshold=threshold)
        self._container = container
        self._stream = stream
        self._batch_size = batch_size
        self._runs: dict[str, _Run] = {}
        self._run_of: dict[str, str] = {}  # by descriptor

    def __call__(self, name: str, doc: Any, validate: bool = False) -> tuple[str, Any]:
        """Process a document. Errors become warnings: they must not end a scan."""
        try:
            super().__call__(name, doc, validate)
        except Exception as error:
            _warn_about(f"{name} {doc.get('uid', '')}", error)
        return name, doc

    def start(self, doc: Any) -> None:
        """Register a run."""
        self._runs[doc["uid"]] = _Run(doc)

    def descriptor(self, doc: Any) -> None:
        """Register the readings of the stream."""
        run = self._runs.get(doc["run_start"])
        if run is None or doc["name"] != self._stream:
            return
        self._run_of[doc["uid"]] = doc["run_start"]
        run.keys[doc["uid"]] = {k: v for k, v in doc["data_keys"].items() if "external" not in v}
        if files := [k for k, v in doc["data_keys"].items() if _is_pattern_in_file(v)]:
            warn(
                f"LiveEncoder: detectors write the readings {files} of run {doc['run_start']} to "
                "files; they are not encoded. When the run is on the server, call "
                "xrdae.analyze(client[uid], model)"
            )

    def event(self, doc: Any) -> Any:
        """Encode the pattern of an event, notify plugins, and write the results."""
        uid = self._run_of.get(doc["descriptor"])
        if uid is None:
            return doc
        run, number = self._runs[uid], int(doc["seq_num"])
        if run.rows is not None and number in run.rows:
            return doc
        try:
            keys = run.keys[doc["descriptor"]]
            result = self._observer.results(_read_event(doc, keys, run.start))
            if run.rows is None:
                run.rows = self._make_rows(uid, result)
                self._try(run.rows.connect, uid)
                if number in run.rows:
                    return doc
            run.rows.add(number, result)
        except Exception as error:
            _warn_about(f"event {number} of run {uid}", error)
            return doc
        self._announce(result, f"event {number} of run {uid}")
        if len(run.rows) >= self._batch_size:
            self._try(run.rows.flush, uid)
        return doc

    def stop(self, doc: Any) -> None:
        """Write the remaining results and release the run."""
        run = self._runs.pop(doc["run_start"], None)
        if run is None:
            return
        for uid in run.keys:
            del self._run_of[uid]
        if run.rows is None:
            return
        self._try(run.rows.flush, doc["run_start"])
        if len(run.rows):
            _warn_about(
                f"run {doc['run_start']} has ended and {len(run.rows)} results are not written",
                "compute them from the run: xrdae.analyze(client[uid], model)",
            )

    def _make_rows(self, uid: str, result: xr.Dataset) -> Rows:
        """Return the rows of a run, including rows of an earlier process with this model."""
        path = "/".join([*filter(None, self._container.path_parts), uid, self._stream])
        result = result.assign_attrs(
            generalize_provenance(result.attrs),
            xrdae_model=fingerprint(self._observer.model),
            xrdae_threshold=self._observer.threshold,
        )
        metadata = build_metadata(result, path, is_run=True)
        key = f"{uid}_{self._stream}_xrdae_live"
        return Rows(self._container, key=key, metadata=metadata)

    def _announce(self, result: xr.Dataset, what: str) -> None:
        """Notify plugins of a result; warn the user of a broken pattern and of drift."""
        if not np.isfinite(result["latent"]).all():
            _warn_about(what, "the pattern has no positive finite intensity; its latents are NaN")
        self._observer.announce(result)
        if message := self._observer.check_drift(result["novel"].values):
            _warn_about(what, message)

    def _try(self, action: Callable[[], None], uid: str) -> None:
        """Call an action on the server. If it fails, the rows are retried later."""
        try:
            action()
        except Exception as error:
            _warn_about(f"results of run {uid} are not written yet", error)


def _read_event(doc: Document, keys: DataKeys, start: Document) -> xr.Dataset:
    """Return an event as a Dataset of one pattern."""
    readings = {}
    for name in list_readings(keys):
        value = np.asarray(doc["data"][name])
        readings[name] = ((DIM, *(f"{name}_{i}" for i in range(value.ndim))), value[None])
    dataset = xr.Dataset(readings, {DIM: (DIM, [doc["time"]])})
    return to_patterns(dataset, keys, start=start)


def _is_pattern_in_file(key: Mapping[str, Any]) -> bool:
    return "external" in key and sum(size != 1 for size in key["shape"]) == 1


def _warn_about(what: str, reason: object) -> None:
    text = f"{type(reason).__name__}: {reason}" if isinstance(reason, Exception) else reason
    warn(f"LiveEncoder: {what}: {text}")
