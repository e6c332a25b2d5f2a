"""Program: requests to the live page, stores behind symbolic links, and slow files, as watched."""

from __future__ import annotations

import contextlib
import functools
import http.client
import itertools
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import xrdae
from harness import Failed, Row, main, try_in_child
from hostile_content import HOSTILE
from live_kills import make_rows
from moving_peaks import make_series
from xrdae.live.isolated_reading import IsolatedReader
from xrdae.live.page import LivePage
from xrdae.live.results import Results

PAGE = "requests to the live page from other hosts and without its token"
STORES = "stores of a watch behind symbolic links"
SLOW = "long blanks, many keys and other slow files, as watched"
HERE = Path(tempfile.gettempdir()) / f"xrdae_live_{os.getpid()}"
OWN_HOSTS = ("localhost:{port}", "127.0.0.1:{port}", "[::1]:{port}")
HOSTS = (
    *OWN_HOSTS, "evil.example", "evil.example:{port}", "localhost:1", "0.0.0.0:{port}", "",
    "localhost.evil.example:{port}", "127.0.0.1:{port}.evil.example",
)  # fmt: skip
ORIGINS = (None, "http://localhost:{port}", "http://evil.example", "null")
PATHS = (
    "/{token}/", "/{token}/ws", "/{token}/metadata", "/", "/ws", "/{wrong}/", "/autoload.js",
    "/static/js/bokeh.min.js", "//{token}/", "/../{token}/",
)  # fmt: skip
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
LINKS = ("link to the store", "link to its folder", "link to a link", "the same path")
PATIENCE = 60.0  # seconds in which a file must be read or refused


@functools.cache
def open_page() -> LivePage:
    """Return a page, open until this process ends."""
    HERE.mkdir(exist_ok=True)
    model = make_series().xrdae.fit(steps=20, members=1, hidden=(8,), progress=False)
    results = Results(HERE / "page.zarr", {})
    return LivePage(model, results, status=str, threshold=1.0, title="A run")


def try_request(case: list[Any]) -> str:
    """Send a request. One that is not from the page's own address must get no content."""
    host, origin, path, upgrade = case
    page = open_page()
    token = page.url.rstrip("/").rpartition("/")[2]
    filled = {"port": page.port, "token": token, "wrong": token[::-1]}
    headers = {"Host": host.format(**filled)} | (UPGRADE if upgrade else {})
    if origin is not None:
        headers["Origin"] = origin.format(**filled)
    is_own = host in OWN_HOSTS and origin in (None, ORIGINS[1]) and path.startswith("/{token}/")
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
    with contextlib.closing(connection):
        connection.putrequest("GET", path.format(**filled), skip_host=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        status = connection.getresponse().status
    if status in (101, 200) and not is_own:
        raise Failed("lost", f"status {status}: the page was disclosed")
    if is_own and path == "/{token}/" and not upgrade and status != 200:
        raise Failed("lost", f"status {status}: the page is not shown")
    return "read" if is_own else "refused"


def try_store(case: list[Any]) -> str:
    """Open a store a second time by another name; then check that every row is kept."""
    link, files = case
    folder = Path(tempfile.mkdtemp(dir=HERE.parent))
    (folder / "data").mkdir()
    store = folder / "data" / "live.zarr"
    other = folder / "other.zarr"
    if link == "link to its folder":
        (folder / "shortcut").symlink_to("data")
        other = folder / "shortcut" / "live.zarr"
    elif link == "link to a link":
        (folder / "first.zarr").symlink_to(store)
        other.symlink_to("first.zarr")
    elif link == "link to the store":
        other.symlink_to(store)
    else:
        other = store
    with Results(store, {}) as results:
        results.write(make_rows(*map(str, range(files))))
        try:
            with Results(other, {}) as second:
                second.write(make_rows(str(files)))
        except (OSError, xrdae.DataError):
            outcome = "refused"
        else:
            outcome = "read"
        results.write(make_rows(str(files + 1)))
    with Results(store, {}) as results, results.read() as found:
        names = set(found["file"].values.tolist())
    if not {str(i) for i in (*range(files), files + 1)} <= names:
        raise Failed("lost", f"rows {sorted(names)} are left")
    return outcome


@functools.cache
def start_reader() -> IsolatedReader:
    """Return a reader, open until this process ends."""
    return IsolatedReader()


def try_slow_file(case: list[Any]) -> str:
    """Read a hostile file as a watch does; then a good one, which must not wait."""
    kind, size = case
    suffix, make = HOSTILE[kind]
    HERE.mkdir(exist_ok=True)
    path, good = HERE / f"a{suffix}", HERE / "good.xy"
    path.write_bytes(make(size))
    np.savetxt(good, np.c_[np.linspace(10, 20, 50), np.arange(50)], header="2theta counts")
    start = time.monotonic()
    try:
        start_reader().read(path)
        outcome = "read"
    except (xrdae.FormatError, xrdae.DataError, OSError):
        outcome = "refused"
    if len(start_reader().read(good)) != 1:
        raise Failed("lost", "the good file behind it was not read")
    if time.monotonic() - start > PATIENCE:
        raise Failed("hangs", f"{time.monotonic() - start:.0f} s")
    return outcome


def try_rows(scale: float) -> list[Row]:
    """Try every request, every kind of link, and every kind of slow file."""
    requests = [list(case) for case in itertools.product(HOSTS, ORIGINS, PATHS, (False, True))]
    step = max(1, round(0.2 / scale))
    step += step > 1 and step % 2 == 0  # so that no column of the product is left out
    stores = [[link, files] for files in range(1, max(2, int(20 * scale) + 1)) for link in LINKS]
    size = int(min(2**19, max(2**14, scale * 2**19)))
    slow = [[kind, size] for kind in HOSTILE]
    return [
        try_in_child(Row(PAGE, "input"), requests[::step], patience=60),
        try_in_child(Row(STORES, "fault"), stores, patience=60),
        try_in_child(Row(SLOW, "input"), slow, patience=2 * PATIENCE),
    ]


TRIALS: dict[str, Callable[[Any], str]] = {
    PAGE: try_request,
    STORES: try_store,
    SLOW: try_slow_file,
}

if __name__ == "__main__":
    main(try_rows, TRIALS)
