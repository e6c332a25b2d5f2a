"""The live page: latents and novelty of what arrives, at this machine's own address only."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from xrdae.live.dashboard import MOST, Board, select_needed
from xrdae.live.page_document import Session
from xrdae.live.shown_paths import shorten_paths

if TYPE_CHECKING:
    from xrdae.live.results import Results
    from xrdae.model import Model


class LivePage:
    """Web page, served to browsers on this machine, that shows the results of a watch.

    Only browsers that know the address see it. It shows no absolute path of this machine. It is a
    listener of `xrdae.live.watch.Watch`. A point appears a fraction of a second after its result is
    kept; the newest 20 000 are shown.

    Parameters
    ----------
    model
        The fitted model; its training patterns are the background of the latent plane.
    results
        Store of results; its rows are shown from the start.
    status
        Returns the state of the watch as text.
    threshold
        Novelty above which a pattern is novel.
    title
        Of the page.
    port
        On which to serve; 0: any free one.
    folder
        Watched folder, to which paths in messages are relative.
    token
        Make an address that cannot be guessed. Without it, every user and every program of this
        machine can read the page.

    Raises
    ------
    ImportError
        Without bokeh.
    OSError
        If the port is in use.
    """

    def __init__(
        self,
        model: Model,
        results: Results,
        *,
        status: Callable[[], str],
        threshold: float,
        title: str,
        port: int = 0,
        folder: Path | None = None,
        token: bool = True,
    ) -> None:
        from xrdae.live.page_server import PageServer

        self._model, self._results, self._status = model, results, status
        self._threshold, self._title = threshold, title
        self._board = Board()
        self._folders = [path.absolute() for path in (folder, results.path.parent) if path]
        self._folders += [path.resolve() for path in self._folders]
        if len(results):
            with results.read() as dataset:
                self.on_results(select_needed(dataset).isel(pattern=slice(-MOST, None)).load())
        secret = secrets.token_hex(16) if token else ""
        self._server = PageServer(self._show, port=port, token=secret)
        self.port = self._server.port
        self.url = f"http://localhost:{self.port}/{secret and secret + '/'}"

    def on_results(self, rows: xr.Dataset) -> None:
        """Show patterns."""
        self._board.put(rows, self._results.find_rows(rows))

    def on_skip(self, file: str, reason: str) -> None:
        """Show that a file cannot be read."""
        self._board.add_message(f"{file}: {shorten_paths(reason, self._folders)}")

    def on_warning(self, message: str) -> None:
        """Show a warning."""
        self._board.add_message(shorten_paths(message, self._folders), alert=True)

    def close(self) -> None:
        """End the server."""
        self._server.close()

    def _show(self, document: Any) -> None:
        """Fill the document of a browser that has come."""
        Session(document, self._model, self._results, self._board, self._status).begin(
            self._title, self._threshold
        )
