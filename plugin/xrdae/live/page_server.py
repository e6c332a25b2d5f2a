"""Server of the live page. It answers browsers on this machine that know the address."""

from __future__ import annotations

import asyncio
import hmac
import threading
from collections.abc import Callable
from typing import Any

from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import bind_sockets
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import ErrorHandler

HOST = "127.0.0.1"
NAMES = ("localhost", HOST, "[::1]")  # of this machine, in a browser's address


def list_hosts(port: int) -> set[str]:
    """Return the values of the header Host that mean this machine and a port."""
    hosts = {f"{name}:{port}" for name in NAMES}
    return hosts | set(NAMES) if port == 80 else hosts


class GuardedApplication(BokehTornado):
    """Bokeh application that refuses requests (403) before any handler sees them.

    A page of another site can reach this machine under its own name (DNS rebinding), or connect
    across sites. The headers Host and Origin show both. Programs of other users of this machine
    do not know the token. Bokeh itself checks only the Origin of the websocket.

    Parameters
    ----------
    applications
        Bokeh applications by their path.
    hosts
        Accepted values of the header Host.
    token
        First part of every accepted path; empty: any path is accepted.
    options
        Arguments of `BokehTornado`.
    """

    def __init__(self, applications: Any, *, hosts: set[str], token: str, **options: Any) -> None:
        self._hosts, self._token = hosts, token
        super().__init__(
            applications,
            prefix=token,
            extra_websocket_origins=sorted(hosts),
            include_headers=[],  # bokeh would copy them to the page
            include_cookies=[],
            log_function=_log_nothing,  # the log would contain the token
            **options,
        )

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
        """Return what answers a request."""
        if self._is_accepted(request):
            return super().find_handler(request, **options)
        return self.get_handler_delegate(request, ErrorHandler, {"status_code": 403})

    def _is_accepted(self, request: HTTPServerRequest) -> bool:
        origins = request.headers.get_list("Origin")
        own = {f"http://{host}" for host in self._hosts}
        if request.host.lower() not in self._hosts or not own.issuperset(origins):
            return False
        first = request.path.removeprefix("/").partition("/")[0]
        return not self._token or hmac.compare_digest(first.encode(), self._token.encode())


class PageServer:
    """Bokeh server in a separate thread.

    Parameters
    ----------
    show
        Function that fills the document of a browser.
    port
        Port on this machine; 0: any free one.
    token
        First part of the path of every address; empty: none.

    Raises
    ------
    OSError
        If the port is in use.
    """

    def __init__(self, show: Callable[[Any], None], *, port: int, token: str) -> None:
        self._ready = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(
            target=self._serve, args=(show, port, token), name="live page", daemon=True
        )
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise self._failed

    def _serve(self, show: Callable[[Any], None], port: int, token: str) -> None:
        try:
            asyncio.set_event_loop(asyncio.new_event_loop())
            self._loop = IOLoop.current()
            sockets, self.port = bind_sockets(HOST, port)
            application = GuardedApplication(
                {"/": Application(FunctionHandler(show))}, hosts=list_hosts(self.port), token=token
            )
            http = HTTPServer(application)
            http.add_sockets(sockets)
            server = BaseServer(self._loop, application, http)
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
        """End the server."""
        self._loop.add_callback(self._loop.stop)
        self._thread.join()


def _log_nothing(_handler: Any) -> None:
    pass
