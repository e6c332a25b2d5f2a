"""What files contain does not control the terminal."""

import json
import warnings

import pytest
import xarray as xr
from click.testing import CliRunner

from xrdae.cli import main
from xrdae.live.console import Console
from xrdae.terminal import escape_control

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b31m\x85\r\x7f\u202e\u2028end"
CONTROLS = set(map(chr, [*range(10), *range(11, 32), *range(127, 160), 0x202E, 0x2028]))


def run(*words, code=0):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture
def files(series, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save("model.nc")
    hostile = series.assign_attrs(
        xrdae_skipped=json.dumps({HOSTILE: HOSTILE}), title=HOSTILE, xrdae_grid=HOSTILE
    )
    hostile["intensity"].attrs["units"] = HOSTILE
    hostile = hostile.assign_coords({"sam\x9bple": ("pattern", [HOSTILE] * 24)})
    hostile.to_netcdf("data.nc")
    return tmp_path


def test_info_escapes_what_attributes_and_labels_say(files):
    said = run("info", "data.nc")
    assert not CONTROLS & set(said)
    assert r"\x1b[2J\x9b31m" in said
    assert json.loads(run("info", "data.nc", "--json"))


@pytest.mark.parametrize("command", ["encode", "info", "fit"])
def test_errors_escape_names_and_content_of_files(files, command):
    (files / f"a{HOSTILE}.xy").write_bytes(HOSTILE.encode() * 5)
    options = {"encode": ["-m", "model.nc", "-o", "out.nc"], "fit": ["-o", "out.nc"], "info": []}
    said = run(command, f"a{HOSTILE}.xy", *options[command], code=1)
    assert not CONTROLS & set(said)
    assert r"\x1b[2J" in said


def test_usage_errors_and_warnings_escape_what_was_given(files):
    said = run("encode", "data.nc", "-m", f"{HOSTILE}.nc", "-o", "out.nc", code=2)
    assert not CONTROLS & set(said)
    (files / "run").mkdir()
    table = "".join(f"{x} {x}\n" for x in range(20, 80))
    (files / "run" / "good.xy").write_text(f"# wavelength 1.54\n{table}")
    (files / "run" / f"bad{HOSTILE}.xy").write_text("words")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert not CONTROLS & set(run("info", "run"))
    assert caught  # the test runner shows them itself


def test_the_watch_escapes_what_it_says(capsys):
    console = Console(as_json=False)
    console.on_skip(HOSTILE, HOSTILE)
    console.on_warning(HOSTILE)
    row = {"scan": 0, "latent": ("latent_axis", [0.0]), "novelty": 2.0, "novel": True}
    rows = xr.Dataset(row, {"file": HOSTILE}).expand_dims("pattern").drop_vars("file")
    console.on_results(rows.assign(file=("pattern", [HOSTILE])))
    said = capsys.readouterr().err
    assert not CONTROLS & set(said)
    assert len(said.splitlines()) == 3


def test_other_characters_stay():
    for text in ("5 µm, 2θ, Å⁻¹, 数字, \xa0", "a\\b", "é"):
        assert escape_control(text) == text
