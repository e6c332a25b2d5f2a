import json
import os
import sys

import numpy as np
import pytest
import xarray as xr

import xrdae
from xrdae.convention.patterns import find_patterns
from xrdae.loading.opening import find_files


def write_xy(path, x, y, *, header="", sigma=None):
    columns = [x, y] if sigma is None else [x, y, sigma]
    path.parent.mkdir(parents=True, exist_ok=True)
    names = "two_theta intensity" if sigma is None else "two_theta intensity sigma"
    np.savetxt(path, np.column_stack(columns), header=f"{header}\n{names}", fmt="%.10g")
    return path


@pytest.fixture
def folder(tmp_path, series):
    """The series as xy files 1 to 24, with temperature and wavelength in their headers."""
    for i, pattern in enumerate(series["intensity"].values):
        header = f"wavelength: 1.5406\ntemperature: {300 + i} K\nsample: alloy {i}"
        path = tmp_path / "run" / f"scan_{i + 1}.xy"
        write_xy(path, series["two_theta"].values, pattern, header=header)
    return tmp_path / "run"


@pytest.mark.parametrize("paths", ["{}", "{}/*.xy", ["{}/scan_?.xy", "{}/scan_??.xy"]])
def test_a_folder_a_pattern_and_a_list_open_sorted_naturally(folder, series, paths):
    given = [p.format(folder) for p in paths] if isinstance(paths, list) else paths.format(folder)
    found = xrdae.open_patterns(given)
    assert found["intensity"].dims == ("pattern", "two_theta")
    np.testing.assert_array_equal(found["intensity"], series["intensity"])
    assert found["file"].values.tolist() == [f"scan_{i + 1}.xy" for i in range(24)]
    assert found.attrs["xrdae_grid"] == "as measured"
    assert found["two_theta"].attrs["units"] == "degree"


def test_headers_become_labels_and_what_all_share_a_scalar(folder):
    found = xrdae.open_patterns(folder)
    assert found["temperature"].values.tolist() == [300.0 + i for i in range(24)]
    assert found["temperature"].attrs["units"] == "K"
    assert found["wavelength"].dims == ()
    assert found["sample"].values[3] == "alloy 3"


def test_files_listed_one_by_one_stay_in_that_order(folder):
    found = xrdae.open_patterns([folder / "scan_10.xy", folder / "scan_2.xy"])
    assert found["file"].values.tolist() == ["scan_10.xy", "scan_2.xy"]


def test_files_give_the_same_latents_as_the_series(folder, series, model):
    expected = series.xrdae.encode(model)["latent"].values
    found = xrdae.open_patterns(folder).xrdae.encode(model)["latent"].values
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.ptp(expected))


def test_one_file_has_no_dimension_for_files(folder):
    found = xrdae.open_patterns(folder / "scan_1.xy")
    assert found["intensity"].dims == ("two_theta",)
    assert str(found["file"].values) == "scan_1.xy"


def test_xarray_guesses_the_engine_of_endings_that_mean_patterns(folder, tmp_path):
    found = xr.open_dataset(folder / "scan_1.xy")
    assert found["intensity"].dims == ("two_theta",)
    dat = tmp_path / "a.dat"
    dat.write_bytes((folder / "scan_1.xy").read_bytes())
    with pytest.raises(ValueError, match="engine"):
        xr.open_dataset(dat)
    named = xr.open_dataset(dat, engine="xrdae", drop_variables="sample")
    np.testing.assert_array_equal(named["intensity"], found["intensity"])
    assert "sample" not in named.coords


def test_different_grids_are_rebinned_with_a_warning(tmp_path):
    def peak(x):
        return 100 * np.exp(-(((x - 30) / 2) ** 2)) + 1

    for i, (low, high, step) in enumerate([(20, 40, 0.1), (22, 42, 0.1), (20, 40, 0.01)]):
        x = np.arange(low, high + step / 2, step)
        write_xy(tmp_path / f"{i}.xye", x, peak(x), sigma=np.sqrt(peak(x)))
    found = xrdae.open_patterns(f"{tmp_path}/*.xye")
    assert "steps of 0.1" in found.attrs["xrdae_grid"]
    x = found["two_theta"].values
    assert (x[0], x[-1]) == (20, pytest.approx(42))
    expected = np.tile(peak(x[30:191]), (3, 1))
    inside = found["intensity"].isel(two_theta=slice(30, 191))
    np.testing.assert_allclose(inside, expected, rtol=0.02)
    assert np.isnan(found["intensity"].values[0, -1])
    assert np.isnan(found["intensity"].values[1, 0])
    # Ten points averaged: a third of the standard deviation.
    ratio = found["intensity_errors"][2] / found["intensity_errors"][0]
    np.testing.assert_allclose(ratio.sel(two_theta=slice(21, 39)), 10**-0.5, rtol=0.1)


def test_a_chosen_grid_is_used(folder):
    grid = np.linspace(30, 50, 41)
    for paths in (folder, folder / "scan_1.xy"):
        found = xrdae.open_patterns(paths, grid=grid)
        np.testing.assert_array_equal(found["two_theta"], grid)
        assert found.attrs["xrdae_grid"] == "as given"
    with pytest.raises(xrdae.DataError, match="increasing"):
        xrdae.open_patterns(folder, grid=[3, 2, 1])


def test_files_of_different_wavelength_meet_in_q(tmp_path):
    q = 4 * np.pi * np.sin(np.radians(15)) / 1.5406
    for name, wavelength in (("cu", 1.5406), ("mo", 0.7093)):
        x = np.linspace(5, 60, 2000)
        here = np.degrees(2 * np.arcsin(q * wavelength / (4 * np.pi)))
        header = f"wavelength: {wavelength}"
        write_xy(tmp_path / f"{name}.xy", x, np.exp(-(((x - here) / 0.2) ** 2)), header=header)
    found = xrdae.open_patterns(tmp_path)
    assert found["intensity"].dims == ("pattern", "q")
    top = found["q"][found["intensity"].fillna(0).argmax("q")]
    np.testing.assert_allclose(top, q, atol=0.01)
    assert found["wavelength"].values.tolist() == [1.5406, 0.7093]
    assert find_patterns(found).axis.wavelength is None  # one each is no error in q


def test_a_file_without_wavelength_among_different_ones_is_refused(tmp_path):
    x = np.linspace(5, 60, 20)
    for i, header in enumerate(["wavelength: 1.5406", "wavelength: 0.7093", "none"]):
        write_xy(tmp_path / f"{i}.xy", x, x, header=header)
    with pytest.raises(xrdae.DataError, match=r"1 of 3 scans have no wavelength \(2\.xy\)"):
        xrdae.open_patterns(tmp_path)


def test_a_broken_file_is_named_once_and_the_rest_load(folder):
    (folder / "scan_5.xy").write_bytes(b"")
    (folder / "scan_7.xy").write_bytes(b"\x00\x01garbage" * 100)
    with pytest.warns(UserWarning, match="2 of 24 files") as caught:
        found = xrdae.open_patterns(folder)
    assert len(caught) == 1
    assert found.sizes["pattern"] == 22
    skipped = json.loads(found.attrs["xrdae_skipped"])
    assert {os.path.basename(p) for p in skipped} == {"scan_5.xy", "scan_7.xy"}
    assert "empty" in skipped[str(folder / "scan_5.xy")]
    with pytest.raises(xrdae.FormatError, match=r"scan_5\.xy"):
        xrdae.open_patterns(folder, errors="raise")


def test_nothing_readable_is_an_error(tmp_path):
    (tmp_path / "a.xy").write_bytes(b"")
    for paths in (tmp_path, tmp_path / "a.xy"):
        with pytest.raises(xrdae.FormatError, match="empty"):
            xrdae.open_patterns(paths)


@pytest.mark.parametrize("paths", ["none.xy", "none/*.xy", []])
def test_missing_paths_are_named(tmp_path, paths):
    with pytest.raises(FileNotFoundError):
        xrdae.open_patterns(tmp_path / paths if paths else [])


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "a.xy")
    with pytest.raises(xrdae.FormatError, match="regular"):
        xrdae.open_patterns(tmp_path / "a.xy")


def test_lazy_files_are_the_same_and_read_when_asked_for(folder, series, model):
    lazy = xrdae.open_patterns(folder, chunks=5)
    assert lazy["intensity"].chunks == ((5, 5, 5, 5, 4), (200,))
    now = xrdae.open_patterns(folder).drop_vars("sample")
    xr.testing.assert_equal(lazy.load(), now)
    encoded = xrdae.open_patterns(folder, chunks=5).xrdae.encode(model)
    assert encoded["latent"].chunks is not None
    expected = series.xrdae.encode(model)["latent"].values
    np.testing.assert_allclose(encoded["latent"], expected, atol=1e-6 * np.ptp(expected))


def test_a_broken_file_among_lazy_ones_is_nan_and_named_when_it_is_read(folder):
    (folder / "scan_5.xy").write_bytes(b"")
    lazy = xrdae.open_patterns(folder, chunks=10)
    with pytest.warns(UserWarning, match=r"scan_5\.xy: it is empty"):
        values = lazy["intensity"].values
    assert np.flatnonzero(np.isnan(values).all(axis=1)).tolist() == [4]
    with pytest.raises(xrdae.FormatError, match=r"scan_5\.xy"):
        xrdae.open_patterns(folder, chunks=10, errors="raise")["intensity"].load()


@pytest.mark.parametrize("names", ["scan_{}.xy", "scan_{}", "elsewhere/scan_{}.raw"])
def test_labels_from_a_table_go_with_their_files(folder, tmp_path, names):
    rows = [f"{i / 100}; {names.format(i + 1)};{'ab'[i % 2]}" for i in range(24)][::-1]
    table = tmp_path / "samples.csv"
    table.write_text("Ti [at.%];file;phase\n" + "\n".join(rows))
    for chunks in (None, 7):
        found = xrdae.open_patterns(folder, labels=table, chunks=chunks)
        np.testing.assert_allclose(found["Ti"], np.arange(24) / 100)
        assert found["Ti"].attrs["units"] == "at.%"
        assert found["phase"].values[:3].tolist() == ["a", "b", "a"]
    one = xrdae.open_patterns(folder / "scan_3.xy", labels=table)
    assert float(one["Ti"]) == 0.02


def test_a_table_that_lacks_or_repeats_a_file_is_refused(folder, tmp_path):
    table = tmp_path / "samples.csv"
    table.write_text("file,x\nscan_1.xy,1\nscan_2.xy,2\n")
    with pytest.raises(xrdae.DataError, match=r"no row for the file 'scan_3\.xy'"):
        xrdae.open_patterns(folder, labels=table)
    table.write_text("file,x\n" + "scan_1.xy,1\n" * 2)
    with pytest.raises(xrdae.DataError, match="2 rows"):
        xrdae.open_patterns(folder / "scan_1.xy", labels=table)


def test_files_of_one_name_in_two_folders_have_different_names(tmp_path):
    for name in ("a", "b"):
        write_xy(tmp_path / name / "1.xy", np.arange(5.0), np.arange(5.0))
    found = xrdae.open_patterns(f"{tmp_path}/*/1.xy")
    assert found["file"].values.tolist() == [os.path.join("a", "1.xy"), os.path.join("b", "1.xy")]


def test_descending_and_repeated_positions_are_put_in_order(tmp_path):
    x = np.array([5.0, 4, 3, 3, 2, 1])
    write_xy(tmp_path / "a.xy", x, np.array([50.0, 40, 20, 40, 20, 10]))
    found = xrdae.open_patterns(tmp_path / "a.xy")
    assert found["two_theta"].values.tolist() == [1, 2, 3, 4, 5]
    assert found["intensity"].values.tolist() == [10, 20, 30, 40, 50]


def test_progress_is_shown_when_asked_for(folder, capsys):
    xrdae.open_patterns(folder, progress=True)
    assert "24/24" in capsys.readouterr().err
    xrdae.open_patterns(folder)
    assert capsys.readouterr().err == ""


def test_natural_order_puts_2_before_10(tmp_path):
    for i in (10, 2, 1):
        (tmp_path / f"s{i}.xy").touch()
    assert [p.name for p in find_files(tmp_path)[0]] == ["s1.xy", "s2.xy", "s10.xy"]


def test_scans_of_a_file_become_a_dimension(tmp_path):
    from xrdae.loading.gridding import find_grid, merge_scans
    from xrdae.readers.scan import Scan

    scans = [
        Scan("two_theta", np.arange(4.0), np.full(4, i), metadata={"omega": float(i)})
        for i in range(6)
    ]
    found = merge_scans(scans, {"pattern": 2, "scan": 3}, find_grid(scans))
    assert found["intensity"].dims == ("pattern", "scan", "two_theta")
    assert found["omega"].values.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_missing_number_is_nan_and_times_are_in_utc():
    from xrdae.loading.gridding import merge_metadata
    from xrdae.readers.scan import Scan

    metadata = [{"temperature": 300.0, "time": "2020-01-01T02:00:00+02:00"}, {}]
    metadata += [{"time": "0001-01-01T00:00:00+01:00"}]  # what some programs write for none
    scans = [Scan("q", np.arange(3.0), np.arange(3.0), metadata=item) for item in metadata]
    found = merge_metadata(scans, {"pattern": 3})
    np.testing.assert_array_equal(found["temperature"][1], [300, np.nan, np.nan])
    assert found["time"][1][0] == np.datetime64("2020-01-01T00:00:00")
    assert np.isnat(found["time"][1][1:]).all()


def test_lazy_files_never_take_the_wavelength_of_another(tmp_path):
    x = np.linspace(5, 60, 50)
    write_xy(tmp_path / "a.xy", x, x, header="wavelength: 0.7093")
    write_xy(tmp_path / "b.xy", x, x)
    with pytest.warns(UserWarning, match=r"b\.xy: it states no wavelength"):
        values = xrdae.open_patterns(tmp_path, chunks=1)["intensity"].values
    assert np.isnan(values[1]).all()


def test_lazy_files_of_another_wavelength_are_brought_to_that_of_the_first(tmp_path):
    x = np.linspace(5, 60, 2000)
    q = 4 * np.pi * np.sin(np.radians(15)) / 1.5406
    for name, wavelength in (("a_cu", 1.5406), ("b_mo", 0.7093)):
        here = np.degrees(2 * np.arcsin(q * wavelength / (4 * np.pi)))
        y = np.exp(-(((x - here) / 0.2) ** 2))
        write_xy(tmp_path / f"{name}.xy", x, y, header=f"wavelength: {wavelength}")
    found = xrdae.open_patterns(tmp_path, chunks=1)
    top = found["two_theta"][found["intensity"].fillna(0).argmax("two_theta").values]
    np.testing.assert_allclose(top, 30, atol=0.05)


def test_a_gap_is_not_filled_and_peaks_stay_where_they_are(tmp_path):
    def write(name, x):
        return write_xy(tmp_path / name, x, np.exp(-(((x - 50) / 1) ** 2)))

    write("a.xy", np.r_[np.arange(20, 30, 0.05), np.arange(40, 60, 0.05)])
    write("b.xy", np.arange(20, 60, 0.1))
    write("c.xy", np.arange(20, 60, 0.1))
    found = xrdae.open_patterns(tmp_path)
    x = found["two_theta"]
    middle = (found["intensity"] * x).sum("two_theta") / found["intensity"].sum("two_theta")
    np.testing.assert_allclose(middle, 50, atol=0.002)
    hidden = x[np.isnan(found["intensity"][0])].sel(two_theta=slice(None, 50)).values
    assert hidden.min() == pytest.approx(30, abs=0.1)
    assert hidden.max() == pytest.approx(39.9, abs=0.1)


def test_labels_of_nexus_files_keep_their_meaning_in_a_list(tmp_path, series):
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    for i in range(2):
        with h5py.File(tmp_path / f"{i}.nxs", "w") as file:
            data = file.create_group("entry/data")
            data.attrs.update({"NX_class": "NXdata", "signal": "I", "axes": [".", "two_theta"]})
            values = {
                "I": (series["intensity"].values[:3], "counts"),
                "two_theta": (series["two_theta"].values, "deg"),
                "temperature": ([20.0, 40, 60], "degC"),
                "x": ([100.0, 200, 300], "um"),
                "pressure": ([1.0, 2, 3], "GPa"),
            }
            for name, (value, units) in values.items():
                data[name] = value
                data[name].attrs["units"] = units
    found = xrdae.open_patterns(tmp_path)
    assert found["intensity"].dims == ("pattern", "scan", "two_theta")
    np.testing.assert_allclose(found["temperature"][0], [293.15, 313.15, 333.15])
    np.testing.assert_allclose(found["x"][1], [0.1, 0.2, 0.3])
    assert found["pressure"].attrs["units"] == "GPa"


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_64BIT"])
def test_netcdf_by_the_convention_is_a_format_as_others_are(tmp_path, series, model, kind):
    series = series.rename_vars(x="content")
    for i in range(2):
        series.isel(pattern=[i, i + 2]).to_netcdf(tmp_path / f"{i}.nc", format=kind)
    found = xrdae.open_patterns(tmp_path)
    assert found["intensity"].dims == ("pattern", "scan", "two_theta")
    np.testing.assert_array_equal(found["content"], series["content"].values[[[0, 2], [1, 3]]])
    one = xrdae.open_patterns(tmp_path / "1.nc").drop_vars("file")
    xr.testing.assert_identical(one, xr.load_dataset(tmp_path / "1.nc"))
    model.save(tmp_path / "model.nc")
    with pytest.raises(xrdae.FormatError, match="only groups"):
        xrdae.open_patterns(tmp_path / "model.nc")
    (tmp_path / "cut.nc").write_bytes((tmp_path / "0.nc").read_bytes()[:1000])
    with pytest.raises(xrdae.FormatError, match=r"cannot be read|cut off"):
        xrdae.open_patterns(tmp_path / "cut.nc")


def test_relative_paths_hold_when_the_folder_changes(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(folder)
    lazy = xrdae.open_patterns("scan_*.xy", chunks=5)
    monkeypatch.chdir(tmp_path)
    assert lazy["intensity"].notnull().all()


@pytest.mark.parametrize("chunks", [None, 1])
def test_a_file_listed_twice_is_there_twice(folder, chunks):
    found = xrdae.open_patterns([folder / "scan_1.xy"] * 2, chunks=chunks)
    assert found.sizes["pattern"] == 2


def test_the_table_may_lie_beside_the_files(folder):
    rows = [f"scan_{i + 1},{i}" for i in range(24)]
    (folder / "labels.csv").write_text("file,n\n" + "\n".join(rows))
    found = xrdae.open_patterns(folder, labels=folder / "labels.csv")
    assert found["n"].values.tolist() == list(range(24))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_a_table_that_excel_wrote_is_understood(folder, tmp_path, encoding):
    rows = [f"C:\\data\\scan_{i + 1}.xy;{i},5;{i * 10}" for i in range(24)]
    table = tmp_path / "excel.csv"
    table.write_bytes(("sep=;\nFile;x (µm);n\n" + "\n".join(rows)).encode(encoding))
    found = xrdae.open_patterns(folder, labels=table)
    assert found["x"].values.tolist() == [i + 0.5 for i in range(24)]
    assert found["x"].attrs["units"] == "µm"
    assert found["n"].dtype.kind == "i"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("file,intensity", "called 'intensity'"),
        ("file,two_theta", "called 'two_theta'"),
        ("file,T [K],T [C]", "twice"),
        ("file,Sm/Fe", "slash"),
    ],
)
def test_a_label_that_would_destroy_something_is_refused(folder, tmp_path, header, reason):
    table = tmp_path / "labels.csv"
    table.write_text(header + "\nscan_1.xy" + ",1" * header.count(","))
    with pytest.raises(xrdae.DataError, match=reason):
        xrdae.open_patterns(folder / "scan_1.xy", labels=table)


def test_a_grid_that_covers_nothing_is_refused(folder):
    with pytest.raises(xrdae.DataError, match="covers 20 to 80"):
        xrdae.open_patterns(folder, grid=[100.0, 110.0, 120.0])
