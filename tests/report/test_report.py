import base64
import gzip
import json
import re
import sys
import warnings

import numpy as np
import pytest
from click.testing import CliRunner

from xrdae import DataError
from xrdae.cli import main
from xrdae.report.packing import LEVELS, pack, quantize


def unpacked(header, text):
    raw = gzip.decompress(base64.b64decode(text))
    return {
        name: np.frombuffer(raw, np.dtype(e["type"]), int(np.prod(e["shape"])), e["start"]).reshape(
            e["shape"]
        )
        for name, e in header.items()
    }


def carried(page):
    """What a page carries; the names that bokeh gives its elements change from page to page."""
    return [re.search(rf'id="{name}">([^<]*)<', page)[1] for name in ("header", "arrays")]


def test_arrays_come_back_from_a_page_as_they_went_in():
    arrays = {
        "a": np.arange(3, dtype=np.float32),
        "b": np.array([[1.5, np.nan]]),
        "c": np.array([-1, 7]),
        "d": np.array([1, 65535], dtype=np.uint16),
    }
    found = unpacked(*pack(arrays))
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
    assert pack(arrays) == pack(arrays)  # the same data, the same page


def test_quantized_rows_are_wrong_by_half_a_step_at_most():
    rows = np.random.default_rng(0).normal(size=(5, 100)) * 10.0 ** np.arange(-10, 10, 4)[:, None]
    rows[1, 3] = np.nan
    rows[2] = 7.0
    rows[3] = np.nan
    found = quantize("x", rows)
    values = found["x.offset"][:, None] + found["x.step"][:, None] * found["x"]
    values[found["x"] == LEVELS + 1] = np.nan
    spread = np.nan_to_num(np.ptp(rows, axis=1), nan=np.nanmax(np.abs(rows[1])) * 2)
    for row, expected, width in zip(values, rows, spread, strict=True):
        np.testing.assert_array_equal(np.isnan(row), np.isnan(expected))
        assert np.nanmax(np.abs(row - expected), initial=0) <= 0.51 * width / LEVELS + 1e-30


def test_the_decoder_of_the_page_is_exact_enough(series, model):
    components = model.autoencoder.basis.components
    packed_components = quantize("c", components)
    step = packed_components["c.step"].max()
    error = float(series.xrdae.encode(model)["reconstruction_error"].min())
    assert step / np.abs(components).max() < 0.01 * error


def test_a_report_is_one_page_that_names_no_other_address(series, model, tmp_path):
    report = series.xrdae.report(model, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page == report.html
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"'](?!data:)", page)
    assert "default-src 'none'" in page
    assert len(page) < 4e6
    assert series.xrdae.report(model).html.count("<iframe") == 0
    assert report._repr_html_().startswith("<iframe")
    assert "MB of HTML" in repr(report)


def test_the_header_of_a_page_is_plain_json(series, model):
    page = series.assign_attrs(title="<x> & y").xrdae.report(model).html
    header = json.loads(re.search(r'id="header">([^<]*)<', page)[1])
    assert [label["name"] for label in header["labels"]] == ["x", "novelty", "reconstruction_error"]
    assert "<title>&lt;x&gt; &amp; y</title>" in page


def header_of(page):
    return json.loads(re.search(r'id="header">([^<]*)<', page)[1])


def test_categories_come_with_their_names_and_unknown_ones_without(series, model):
    labelled = series.assign_coords(
        good=("pattern", np.arange(24) > 3),
        name=("pattern", np.array(["b", "a", None] * 8, dtype=object)),
        phase=("pattern", np.arange(24) % 2 * 3.0 + 1, {
            "flag_values": [4, 1], "flag_meanings": "liquid solid",
        }),
        count=("pattern", np.arange(24)),
    )  # fmt: skip
    labelled["phase"][5] = np.nan
    page = labelled.xrdae.report(model).html
    header, arrays = header_of(page), carried(page)[1]
    found = {label["name"]: label for label in header["labels"]}
    assert found["good"]["categories"] == ["False", "True"]
    assert found["name"]["categories"] == ["a", "b"]
    assert found["phase"]["categories"] == ["solid", "liquid"]
    assert found["count"]["kind"] == found["x"]["kind"] == "number"
    values = unpacked(header["arrays"], arrays)
    at = {label["name"]: values[f"label.{i}"] for i, label in enumerate(header["labels"])}
    np.testing.assert_array_equal(at["good"], np.arange(24) > 3)
    np.testing.assert_array_equal(at["name"], [1, 0, np.nan] * 8)
    expected = np.arange(24) % 2.0
    expected[5] = np.nan
    np.testing.assert_array_equal(at["phase"], expected)


def test_the_page_names_the_transform_and_signed_intensities(series):
    settings = {"steps": 20, "members": 2, "progress": False}
    header = header_of(series.xrdae.report(series.xrdae.fit(transform="log", **settings)).html)
    assert header["transform"]["name"] == "log"
    assert 0 < header["transform"]["floor"] < 0.1
    assert not header["signed"]
    signed = series.assign(intensity=series["intensity"] - 500)
    model = signed.xrdae.fit(scale="std", **settings)
    header = header_of(signed.xrdae.report(model).html)
    assert header["transform"]["name"] == "none"
    assert header["signed"]


def test_a_page_of_spectra_does_not_mention_diffraction(series):
    spectra = series.drop_vars("wavelength").rename(two_theta="raman_shift")
    spectra["raman_shift"].attrs = {"units": "1/cm", "long_name": "Raman shift"}
    spectra.attrs = {}
    model = spectra.xrdae.fit(steps=20, members=2, progress=False)
    page = spectra.xrdae.report(model).html
    assert "<title>Patterns and their latents</title>" in page
    header = header_of(page)
    assert header["axis"] == "Raman shift (1/cm)"
    assert not header["descending"]
    own = page[page.index("<main>") :]
    for word in ("diffraction", "two_theta", "wavelength"):
        assert word not in own


@pytest.mark.parametrize("chunks", [None, {"pattern": 5}])
def test_an_empty_pattern_leaks_no_warning_of_numpy_into_a_report(series, model, chunks):
    empty = np.arange(24)[:, None] == 7
    dark = series["two_theta"].values > 78  # channels that no pattern measures
    intensity = series["intensity"].where(~(empty | dark))
    dataset = series.assign(intensity=intensity)
    dataset = dataset if chunks is None else dataset.chunk(chunks)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("ignore", "1 of 24 patterns have no positive", UserWarning)
        assert dataset.xrdae.report(model, progress=False)


def test_a_report_does_not_change_the_dataset(series, model):
    before = series.copy(deep=True)
    series.xrdae.report(model)
    assert before.identical(series)


def test_a_lazy_dataset_gives_the_same_page(series, model):
    lazy, eager = (ds.xrdae.report(model).html for ds in (series.chunk(pattern=7), series))
    (header, arrays), (expected, expected_arrays) = carried(lazy), carried(eager)
    assert header == expected
    where = json.loads(header)["arrays"]
    found, wanted = unpacked(where, arrays), unpacked(where, expected_arrays)
    for name, array in wanted.items():  # rounding depends on how many patterns come together
        np.testing.assert_allclose(
            found[name].astype(float), array.astype(float), rtol=1e-4, atol=2
        )


def test_a_report_of_infinite_data_along_a_multiindex_is_made(series, model):
    broken = series.coarsen(pattern=6).construct(pattern=("y", "z")).copy(deep=True)
    broken["intensity"][1, 2, 30] = np.inf
    with pytest.warns(UserWarning, match="1 intensities are infinite"):
        assert broken.stack(at=("y", "z")).xrdae.report(model, progress=False)


def test_a_report_without_any_pattern_is_refused(series, model):
    with (
        pytest.warns(UserWarning, match="no positive finite intensity"),
        pytest.raises(DataError, match="nothing to show"),
    ):
        (series * np.nan).assign_coords(series.coords).xrdae.report(model)


def test_without_bokeh_the_error_says_what_to_install(series, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "bokeh.embed", None)
    with pytest.raises(ImportError, match=r"xrdae\[report\]"):
        series.xrdae.report(model)


def test_without_scikit_learn_the_page_says_why_there_is_no_cross_validation(
    series, model, monkeypatch
):
    monkeypatch.setitem(sys.modules, "sklearn.gaussian_process", None)
    monkeypatch.setitem(sys.modules, "sklearn.gaussian_process.kernels", None)
    assert "estimate needs scikit-learn" in series.xrdae.report(model).html


def test_a_report_into_a_folder_that_is_not_there_leaves_nothing(series, model, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        series.xrdae.report(model, tmp_path / "nowhere" / "report.html")


def test_the_command_line_writes_the_same_page_with_a_model_or_fits_one(
    series, model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    series.to_netcdf("data.nc")
    model.save("model.nc")
    done = CliRunner().invoke(main, ["report", "data.nc", "-m", "model.nc", "-o", "given.html"])
    assert done.exit_code == 0, done.output
    given = carried((tmp_path / "given.html").read_text())
    assert given == carried(series.xrdae.report(model).html)
    done = CliRunner().invoke(main, ["report", "data.nc", "--title", "Run 42"])
    assert done.exit_code == 0, done.output
    assert "<h1>Run 42</h1>" in (tmp_path / "data.html").read_text()


def test_models_and_patterns_have_an_html_representation(series, model):
    shown = model._repr_html_()
    for words in ("two_theta, 20 to 80 degree", "24 patterns", "held-out error", "torch"):
        assert words in shown
    results = series.xrdae.encode(model).xrdae.relevance(model)
    assert "none yet" in series.xrdae._repr_html_()
    shown = results.xrdae._repr_html_()
    for words in ("24 pattern", "of 24 patterns", "the most relevant at"):
        assert words in shown
    named = results.rename(x="<b>")
    assert "&lt;b&gt;" in named.xrdae._repr_html_()


@pytest.mark.filterwarnings("ignore:.*clusters are not stable:UserWarning")
def test_points_are_coloured_by_the_clusters_of_the_dataset(series, model):
    out = series.xrdae.cluster(model, 3)
    header = header_of(out.xrdae.report(model).html)
    found = {label["name"]: label for label in header["labels"]}
    assert found["cluster"]["kind"] == "text"
    assert found["cluster"]["categories"][-3:] == ["cluster_0", "cluster_1", "cluster_2"]
