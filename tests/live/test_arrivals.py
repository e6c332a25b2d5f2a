"""Arriving, changed and unfinished files of a folder."""

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
