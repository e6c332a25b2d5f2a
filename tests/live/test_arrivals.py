"""Arriving, changed and unfinished files of a folder."""

import contextlib
import os
import time

from xrdae.live.arrivals import Arrivals


def test_changes_are_found_without_events(tmp_path):
    """As on a network's file system: nothing is said to `see`."""
    for name in ("read.xy", "given_up.xy", "locked.xy"):
        (tmp_path / name).write_text("1 2\n")
    arrivals = Arrivals(tmp_path, {}, match="*", patience=1)

    def ready(n):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            found = list(arrivals.find_ready())
            if len(found) == n:
                return {name: signature for name, signature, _ in found}
            time.sleep(0.05)
        raise AssertionError(found)

    for name, signature in ready(3).items():
        (arrivals.finish if name == "read.xy" else arrivals.give_up)(name, signature)
    (tmp_path / "read.xy").write_text("1 2\n3 4\n")
    (tmp_path / "given_up.xy").write_text("1 2\n3 4\n")
    (tmp_path / "locked.xy").chmod(0o600)
    (tmp_path / "new.xy").write_text("1 2\n")
    assert sorted(ready(4)) == ["given_up.xy", "locked.xy", "new.xy", "read.xy"]


def test_unfinished_and_hidden_files_and_other_names_are_ignored(tmp_path):
    for name in (".a.xy", "b.xy.part", "c.xy~", "d.txt", "e.xy", "live.zarr/0.xy", ".git/f.xy"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1 2\n")
    arrivals = Arrivals(tmp_path, {}, match="*.xy", patience=1)
    time.sleep(0.1)
    assert [name for name, *_ in arrivals.find_ready()] == ["e.xy"]
    arrivals.record([str(tmp_path / "d.txt"), str(tmp_path / "gone.xy")])
    assert arrivals.waiting == 1


def test_a_file_that_changes_is_not_ready(tmp_path):
    arrivals = Arrivals(tmp_path, {}, match="*", patience=60)
    growing = tmp_path / "growing.xy"
    for i in range(5):
        growing.write_text("1 2\n" * (i + 1))
        arrivals.record([str(growing)])
        assert list(arrivals.find_ready()) == []
    time.sleep(0.1)
    ((name, signature, last),) = arrivals.find_ready()
    assert (name, last) == ("growing.xy", False)
    arrivals.finish(name, signature)
    time.sleep(0.1)
    assert list(arrivals.find_ready()) == []


def find_soon(arrivals, n):
    """Return the next files that are ready, without finishing them."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = [(name, last) for name, _, last in arrivals.find_ready()]
        if len(found) == n:
            return found
        time.sleep(0.01)
    raise AssertionError(found)


def put(folder, name, modified):
    (folder / name).write_text("1 2\n")
    os.utime(folder / name, (modified, modified))


def test_files_come_in_the_order_of_writing_and_tried_ones_last(tmp_path):
    for name, modified in (("c.xy", 1), ("b.xy", 2), ("a.xy", 3), ("known.xy", 0)):
        put(tmp_path, name, modified)
    arrivals = Arrivals(tmp_path, {}, match="*", patience=0.1, skipped={"known.xy": "broken"})
    time.sleep(0.2)
    found = [(name, last) for name, _, last in arrivals.find_ready()]
    assert [name for name, _ in found] == ["c.xy", "b.xy", "a.xy", "known.xy"]
    assert found[-1] == ("known.xy", True)
    arrivals = Arrivals(tmp_path, {}, match="*", patience=0.1)
    for name, _ in find_soon(arrivals, 4):
        arrivals.postpone(name, "broken")
    put(tmp_path, "new.xy", 9)
    arrivals.record([str(tmp_path / "new.xy")])
    time.sleep(0.2)
    assert next(arrivals.find_ready())[0] == "new.xy"


def test_a_file_that_was_not_finished_comes_again(tmp_path):
    for name in ("a.xy", "b.xy"):
        put(tmp_path, name, 1)
    arrivals = Arrivals(tmp_path, {}, match="*", patience=60)
    find_soon(arrivals, 2)
    for _ in range(3):
        with contextlib.suppress(ZeroDivisionError):
            for _ in arrivals.find_ready():
                raise ZeroDivisionError
        time.sleep(0.1)
    assert find_soon(arrivals, 2) == [("a.xy", False), ("b.xy", False)]
    assert arrivals.waiting == 2


def test_work_does_not_grow_with_files_that_are_done_or_wait(tmp_path, monkeypatch):
    def count_looks(n):
        folder = tmp_path / str(n)
        folder.mkdir()
        for i in range(2 * n):
            put(folder, f"{i}.xy", i)
        arrivals = Arrivals(folder, {}, match="*", patience=3600)
        ready = 0
        while ready < 2 * n:
            for name, signature, _ in arrivals.find_ready():
                ready += 1
                if int(name[:-3]) % 2:
                    arrivals.postpone(name, "broken")
                else:
                    arrivals.finish(name, signature)
        while arrivals._scan is not None:
            list(arrivals.find_ready())
        arrivals._next_scan = time.monotonic() + 3600
        before = looks[0]
        for _ in range(100):
            list(arrivals.find_ready())
        put(folder, "new.xy", 1)
        arrivals.record([str(folder / "new.xy")])
        assert find_soon(arrivals, 1) == [("new.xy", False)]
        return looks[0] - before

    looks = [0]
    stat = os.stat

    def look(*arguments, **options):
        looks[0] += 1
        return stat(*arguments, **options)

    monkeypatch.setattr("xrdae.live.arrivals.os.stat", look)
    assert count_looks(5) == count_looks(200)
