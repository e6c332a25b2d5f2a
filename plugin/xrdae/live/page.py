"""The live page: latents and novelty of what arrives, at this machine's own address only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import xarray as xr

from xrdae.live.dashboard import MOST, Board, select_needed
from xrdae.live.page_document import Session

if TYPE_CHECKING:
    from xrdae.live.results import Results
    from xrdae.model import Model

HOST = "127.0.0.1"


class LivePage:
    """Web page, served to browsers on this machine, that shows the results of a watch.

    It is a listener of `xrdae.live.watch.Watch`. A point appears a fraction of a second after its
    result is kept; the newest 20 000 are shown.

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
    ) -> None:
        self._model, self._results, self._status = model, results, status
        self._threshold, self._title = threshold, title
        self._board = Board()
        if len(results):
            with results.read() as dataset:
                self.on_results(select_needed(dataset).isel(pattern=slice(-MOST, None)).load())
        self._server = _Server(self._show, port)
        self.port = self._server.port
        self.url = f"http://localhost:{self.port}/"

    def on_results(self, rows: xr.Dataset) -> None:
        """Show patterns."""
        self._board.put(rows, self._results.find_rows(rows))

    def on_skip(self, file: str, reason: str) -> None:
        """Show that a file cannot be read."""
        self._board.add_message(f"{file}: {reason}")

    def on_warning(self, message: str) -> None:
        """Show a warning."""
        self._board.add_message(message, alert=True)

    def close(self) -> None:
        """End the server."""
        self._server.close()

    def _show(self, document: Any) -> None:
        """Fill the document of a browser that has come."""
        Session(document, self._model, self._results, self._board, self._status).begin(
            self._title, self._threshold
        )


class _Server:
    """Bokeh server in a separate thread."""

    def __init__(self, show: Callable[[Any], None], port: int) -> None:
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        arguments = (show, port)
        self._thread = threading.Thread(
            target=self._serve, args=arguments, name="live page", daemon=True
        )
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed

    def _serve(self, show: Callable[[Any], None], port: int) -> None:
        import asyncio

        try:
            from bokeh.application import Application
            from bokeh.application.handlers.function import FunctionHandler
            from bokeh.server.server import Server
            from tornado.ioloop import IOLoop

            asyncio.set_event_loop(asyncio.new_event_loop())
            self._loop = IOLoop.current()
            application = Application(FunctionHandler(show))
            server = Server({"/": application}, io_loop=self._loop, address=HOST, port=port)
            self.port = server.port
            server.start()
        except BaseException as error:
            self._failed = error
            return
        finally:
            self._ready.set()
        self._loop.start()
        server.stop()
        self._loop.close()

    def close(self) -> None:
        self._loop.add_callback(self._loop.stop)
        self._thread.join()
