"""The command line on files of any kind, for machines, and when it is interrupted."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from xrdae.cli import main


@pytest.fixture
def files(series, model, tmp_path, monkeypatch):
    """A folder with a model, a netCDF file, and a text file of each pattern."""
    monkeypatch.chdir(tmp_path)
    series.to_netcdf("data.nc")
    model.save("model.nc")
    (tmp_path / "run").mkdir()
    for i, counts in enumerate(series["intensity"].values):
        table = np.column_stack([series["two_theta"], counts])
        np.savetxt(tmp_path / "run" / f"p{i}.xy", table, fmt="%.10g", header="two_theta intensity")
    return tmp_path


def run(*words, code=0, stdin=None):
    done = CliRunner().invoke(main, [str(word) for word in words], input=stdin)
    assert done.exit_code == code, done.output
    return done.stdout


def latents(path):
    with xr.open_dataset(path) as found:
        return found["latent"].values


# A text of two columns does not say its wavelength.
@pytest.mark.filterwarnings("ignore:the data state no wavelength")
@pytest.mark.parametrize(
    "data", [["run/*.xy"], ["run"], [f"run/p{i}.xy" for i in range(24)], ["data.nc"]]
)
def test_every_kind_of_data_gives_the_same_latents(files, series, model, data):
    run("encode", *data, "-m", "model.nc", "-o", "out.nc")
    np.testing.assert_allclose(latents("out.nc"), series.xrdae.encode(model)["latent"], atol=1e-4)


@pytest.mark.filterwarnings("ignore:the data state no wavelength")
def test_paths_may_come_on_the_standard_input(files, series, model):
    listed = "\n".join(f"run/p{i}.xy" for i in (3, 1, 2)) + "\n\n"
    run("encode", "-", "-m", "model.nc", "-o", "out.nc", stdin=listed)
    expected = series.isel(pattern=[3, 1, 2]).xrdae.encode(model)["latent"]
    np.testing.assert_allclose(latents("out.nc"), expected, atol=1e-4)
    done = CliRunner().invoke(main, ["fit", "-", "-o", "never.nc"], input="")
    assert done.exit_code == 1
    assert "the list is empty" in done.output


def test_a_result_may_be_a_zarr_store_that_replaces_one(files, series, model):
    series.assign_coords(sample=("pattern", [f"p{i}" for i in range(24)])).to_netcdf("data.nc")
    for data in ("data.nc", "data.nc", "out.zarr"):  # texts and chunks too
        run("encode", data, "-m", "model.nc", "-o", "out.zarr")
    with xr.open_dataset("out.zarr", engine="zarr") as found:
        np.testing.assert_allclose(found["latent"], series.xrdae.encode(model)["latent"], atol=1e-5)
    assert not [name for name in os.listdir() if name.startswith(".")]


def test_json_output_has_every_figure(files, model):
    said = json.loads(run("fit", "data.nc", "-o", "new.nc", "--members", 2, "--json"))
    assert said["patterns"] == 24
    assert said["labels"] == ["x"]
    assert said["wrote"] == "new.nc"
    said = json.loads(run("encode", "data.nc", "-m", "model.nc", "-o", "out.nc", "--json"))
    assert said["wrote"] == "out.nc"
    assert "of 24 patterns" in said["novelty"]
    assert json.loads(run("info", "model.nc", "--json"))["Model"]["fitted to"] == "24 patterns"
    assert "xrdae_encode" in json.loads(run("plugins", "--json"))["builtin"]
    assert (
        "report" in json.loads(run("report", "data.nc", "-m", "model.nc", "--json"))["wrote"]
        or (files / "data.html").exists()
    )


def test_doctor_says_what_is_installed_and_what_is_broken(files, monkeypatch):
    sections = json.loads(run("doctor", "--json"))
    assert sections["Versions"]["torch"].startswith("2.")
    assert "threads" in sections["Devices"]["cpu"]
    assert sections["Plugins"]["builtin"] == "xrdae.builtin"
    assert "Wrong" not in sections
    broken = files / "broken-1.dist-info"
    broken.mkdir()
    (broken / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (broken / "entry_points.txt").write_text("[xrdae]\nbroken = no_such_module\n")
    monkeypatch.syspath_prepend(str(files))
    said = run("doctor", code=1)
    assert "no_such_module: broken" in said
    assert "plugin 'broken'" in said


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_commands(shell):
    assert "_XRDAE_COMPLETE" in run("completion", shell)


def test_an_interrupt_while_a_result_is_written_leaves_what_was_there(files, monkeypatch):
    def interrupted(self, path, **options):
        path.write_text("half")
        raise KeyboardInterrupt

    (files / "out.nc").write_text("before")
    monkeypatch.setattr(xr.Dataset, "to_netcdf", interrupted)
    done = CliRunner().invoke(main, ["encode", "data.nc", "-m", "model.nc", "-o", "out.nc"])
    assert done.exit_code == 130
    assert "no file was changed" in done.output
    assert (files / "out.nc").read_text() == "before"
    assert sorted(os.listdir()) == ["data.nc", "model.nc", "out.nc", "run"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_ctrl_c_in_a_fit_on_a_terminal_ends_it_without_a_file(files):
    import pty
    import termios

    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    command = [sys.executable, "-m", "xrdae", "fit", "run", "-o", "never.nc"]
    running = subprocess.Popen(command, stdout=its_end, stderr=its_end)
    os.close(its_end)
    said = b""
    try:
        while b"800" not in said:  # the bar of the training's steps
            said += os.read(terminal, 1000)
        running.send_signal(signal.SIGINT)
        while chunk := os.read(terminal, 1000):
            said += chunk
    except OSError:  # the terminal's other end is closed
        pass
    assert running.wait(timeout=60) == 130, said
    assert b"no file was changed" in said
    assert sorted(os.listdir()) == ["data.nc", "model.nc", "run"]
    os.close(terminal)


def test_info_of_a_zarr_store_and_of_files_some_of_which_are_broken(files):
    run("encode", "data.nc", "-m", "model.nc", "-o", "out.zarr")
    assert "reconstruction error" in run("info", "out.zarr")
    (files / "run" / "words.xy").write_text("no pattern")
    with pytest.warns(UserWarning, match="1 of 25 files"):
        said = run("info", "run")
    assert "skipped" in said
    assert "words.xy" in said


def test_info_says_what_is_wrong_with_a_damaged_model(files):
    content = bytearray((files / "model.nc").read_bytes())
    content[len(content) // 2] ^= 1
    (files / "model.nc").write_bytes(content)
    done = CliRunner().invoke(main, ["info", "model.nc"])
    assert done.exit_code == 1
    assert "model.nc' is damaged" in done.output


@pytest.mark.parametrize("command", ["info", "encode"])
def test_damaged_data_are_reported_in_one_line(files, command, series):
    series.to_netcdf("packed.nc", encoding={"intensity": {"zlib": True}})
    content = bytearray((files / "packed.nc").read_bytes())
    at = content.index(b"\x78\x5e")
    content[at + 100 : at + 200] = b"U" * 100
    (files / "packed.nc").write_bytes(content)
    more = ["-m", "model.nc", "-o", "out.nc"] if command == "encode" else []
    done = CliRunner().invoke(main, [command, "packed.nc", *more])
    assert done.exit_code == 1
    assert done.output.startswith("Error: packed.nc: it cannot be read")
    assert not (files / "out.nc").exists()
