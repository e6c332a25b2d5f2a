"""`xrdae watch`: the watch, its store, its page and its words put together."""

from __future__ import annotations

import json
import logging
import signal
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xrdae.live.console import Console
from xrdae.live.results import Results
from xrdae.live.watch import Watch
from xrdae.provenance import fingerprint
from xrdae.readers.read_options import ReadOptions
from xrdae.terminal import escape_control

if TYPE_CHECKING:
    from xrdae.model import Model


def keep_watch(
    folder: Path,
    model: Model,
    options: ReadOptions,
    *,
    out: Path,
    match: str,
    threshold: float,
    patience: float,
    page: bool,
    port: int,
    token: bool,
    as_json: bool,
) -> None:
    """Watch until Ctrl-C or SIGTERM; see `xrdae watch --help` and `xrdae.live.watch.Watch`."""
    console = Console(as_json=as_json)
    attrs = {"xrdae_model": fingerprint(model), "xrdae_threshold": f"{threshold:g}"}
    with ExitStack() as at_end:
        results = at_end.enter_context(Results(out, attrs))
        watch = Watch(
            folder, model, results, threshold=threshold, match=match, patience=patience,
            listeners=[console], options=options,
        )  # fmt: skip
        if page:
            from xrdae.live.page import LivePage

            logging.getLogger("bokeh").setLevel(logging.ERROR)  # it warns of browsers that left
            shown = LivePage(
                model, results, status=watch.status, threshold=threshold, port=port, token=token,
                folder=folder, title=f"Patterns arriving in {folder.resolve().name}",
            )  # fmt: skip
            at_end.callback(shown.close)
            watch.listeners.append(shown)
            click.echo(json.dumps({"page": shown.url}) if as_json else f"live page: {shown.url}")
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            before = signal.signal(number, lambda *_: stop.set())
            at_end.callback(signal.signal, number, before)
        watch.run(stop, after=lambda: console.count(watch.status()))
    summary = {"results": len(results), "skipped": watch.skipped, "wrote": str(out)}
    said = f"\n{watch.status()}; wrote {escape_control(out)}"
    click.echo(json.dumps(summary) if as_json else said)
