"""The live page answers only who may see it, and discloses no path of the machine."""

import asyncio
import concurrent.futures
import contextlib
import http.client
import re
from urllib.parse import urlsplit

import numpy as np
import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from live_kills import FIRST
from xrdae.live.dashboard import MOST, Board
from xrdae.live.page import LivePage
from xrdae.live.page_document import Session
from xrdae.live.results import Results


@pytest.fixture
def opened(tmp_path, model):
    """From options of a page to the open page."""
    pages = contextlib.ExitStack()

    def open_page(**options):
        results = pages.enter_context(Results(tmp_path / "live.zarr", {}))
        page = LivePage(model, results, status=str, threshold=1.0, title="A run", **options)
        pages.callback(page.close)
        return page

    with pages:
        yield open_page


def get(page, path, **headers):
    """Return status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port)
    with contextlib.closing(connection):
        connection.request("GET", path, headers={"Host": f"localhost:{page.port}"} | headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def connect(page, path, token, **headers):
    """Return the first message of the websocket."""

    async def receive():
        request = HTTPRequest(f"ws://127.0.0.1:{page.port}{path}", headers=headers)
        socket = await websocket_connect(request, subprotocols=["bokeh", token])
        message = await asyncio.wait_for(socket.read_message(), 20)
        socket.close()
        while await socket.read_message() is not None:
            pass
        return message

    # In another thread: playwright leaves a running loop in that of the tests.
    with concurrent.futures.ThreadPoolExecutor() as threads:
        return threads.submit(lambda: asyncio.run(receive())).result()


def find_session(body):
    """Return bokeh's token of the session in a page."""
    return re.search(r'"token":"([^"]+)"', body)[1]


@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize("name", ["localhost", "LocalHost", "127.0.0.1", "[::1]"])
def test_every_name_of_this_machine_is_answered(opened, token, name):
    page = opened(token=token)
    path, host = urlsplit(page.url).path, f"{name}:{page.port}"
    status, body = get(page, path, Host=host)
    assert status == 200
    static = re.search(r'src="([^"]*static/js/bokeh[^"]*)"', body)[1]
    assert get(page, static, Host=host)[0] == 200
    origin = f"http://{host.lower()}"
    assert connect(page, f"{path}ws", find_session(body), Host=host, Origin=origin)


@pytest.mark.parametrize("token", [True, False])
def test_other_hosts_and_origins_are_refused(opened, token):
    page = opened(token=token)
    path = urlsplit(page.url).path
    session = find_session(get(page, path)[1])
    own = f"localhost:{page.port}"
    strange = [
        {"Host": f"evil.example:{page.port}"},
        {"Host": f"localhost.evil.example:{page.port}"},
        {"Host": "localhost"},
        {"Host": f"localhost:{page.port + 1}"},
        {"Host": own, "Origin": "http://evil.example"},
        {"Host": own, "Origin": f"http://evil.example:{page.port}"},
        {"Host": own, "Origin": "null"},
    ]
    for headers in strange:
        for place in ("", "static/js/bokeh.min.js", "metadata", "autoload.js", "nothing"):
            assert get(page, path + place, **headers)[0] == 403, (place, headers)
        with pytest.raises(HTTPClientError, match="403"):
            connect(page, f"{path}ws", session, **headers)


def test_nothing_is_answered_without_the_token(opened):
    page = opened()
    secret = urlsplit(page.url).path.strip("/")
    assert re.fullmatch(r"[0-9a-f]{32}", secret)
    session = find_session(get(page, f"/{secret}/")[1])
    wrong = "0" * 32
    for first in (
        "",
        f"{wrong}/",
        f"{secret[:-1]}/",
        f"{secret}0/",
        f"{wrong}/{secret}/",
        "%C3%BC/",
    ):
        for place in ("", "static/js/bokeh.min.js", "metadata", "autoload.js", "favicon.ico"):
            assert get(page, f"/{first}{place}")[0] == 403, (first, place)
    for first in ("", f"/{wrong}"):
        with pytest.raises(HTTPClientError, match="403"):
            connect(page, f"{first}/ws", session, Host=f"localhost:{page.port}")


def test_every_page_has_another_token(opened):
    first = opened()
    second = LivePage(first._model, first._results, status=str, threshold=1.0, title="A run")
    second.close()
    assert urlsplit(first.url).path != urlsplit(second.url).path
    assert second.url.startswith("http://localhost:")


def test_the_page_has_no_data_before_its_browser_connects(opened, model):
    document = pytest.importorskip("bokeh.document").Document()
    board = Board()
    rows = FIRST.isel(pattern=[0] * MOST)
    board.put(rows, list(range(MOST)))
    Session(document, model, FakeResults(), board, lambda: "status").begin("A run", 1.0)
    assert not any(len(values) for values in list_columns(document))
    for _ in range(2):  # a browser is ready more than once
        announce_ready(document)
    assert {len(values) for values in list_columns(document)} >= {MOST, 200}
    assert len(document.session_callbacks) == 1
    page = opened()
    assert len(get(page, urlsplit(page.url).path)[1]) < 20_000


class FakeResults:
    """A store with one pattern."""

    def read_intensity(self, row):
        return np.zeros(200)


def list_columns(document):
    from bokeh.models import ColumnDataSource

    sources = document.select({"type": ColumnDataSource})
    return [values for source in sources for values in source.data.values()]


def announce_ready(document):
    from bokeh.events import DocumentReady

    document.callbacks.trigger_event(DocumentReady())


def test_messages_have_no_absolute_paths(opened, tmp_path):
    folder = tmp_path / "run 7"
    page = opened(folder=folder)
    page.on_skip("deep/a.nxs", f"it links to '{folder}/deep/b c.nxs' and '/srv/other data/c.nxs'")
    page.on_skip("d.xy", "positions in 1/nm; [Errno 13] Permission denied: '/srv/d.xy'")
    page.on_warning(f"'{tmp_path}/live.zarr/file/0' could not be written; see /proc/self/mem")
    texts = [message.text for message in page._board.list_messages()][::-1]
    assert texts == [
        "deep/a.nxs: it links to 'deep/b c.nxs' and 'c.nxs'",
        "d.xy: positions in 1/nm; [Errno 13] Permission denied: 'd.xy'",
        "'live.zarr/file/0' could not be written; see mem",
    ]
