import json
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("tiled")
pytest.importorskip("tiled.server")

import xrdae
from xrdae import plugins
from xrdae.convention.patterns import find_patterns
from xrdae.errors import DataError

pytestmark = [
    pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`"),
]

N, P = 24, 200  # patterns and points of `series`
DATA_KEYS = {
    "pe1_tth": {"shape": [P], "units": "deg"},
    "pe1_intensity": {"shape": [P], "units": "counts"},
    "pe1_intensity_sigma": {"shape": [P], "units": "counts"},
    "pe1_chi": {"shape": [30], "units": "deg"},
    "pe1_image": {"shape": [4, 5], "units": "counts"},
    "cryo_temperature": {"shape": [], "units": "K"},
    "robot_sample": {"shape": [], "dtype": "string"},
}


def readings(series, i):
    counts = series.intensity.values[i]
    return {
        "pe1_tth": series.two_theta.values,
        "pe1_intensity": counts,
        "pe1_intensity_sigma": np.sqrt(counts),
        "pe1_chi": np.linspace(-10, 10, 30),
        "pe1_image": np.zeros((4, 5)),
        "cryo_temperature": 300.0 + i,
        "robot_sample": f"s{i}",
    }


@pytest.fixture
def dask_client(context, client):
    from tiled.client import from_context

    return from_context(context, structure_clients="dask")[client.item["id"]]


@pytest.fixture
def node(client, series):
    from tiled.client.xarray import write_xarray_dataset

    return write_xarray_dataset(client, series, key="series")


@pytest.fixture
def put_run(client, series):
    """From changes of the data keys, the readings and the start document to a run on the server."""
    event_model = pytest.importorskip("event_model")
    writing = pytest.importorskip("bluesky_tiled_plugins")

    def put(*, keys=None, reading=readings, into=client, stream="primary", **start):
        keys = DATA_KEYS | (keys or {})
        keys = {name: dict(key) for name, key in keys.items() if key is not None}
        for key in keys.values():
            kind = "array" if key["shape"] else "number"
            key |= {"source": "sim", "dtype": key.get("dtype", kind)}
            if key["dtype"] != "string":
                key["dtype_numpy"] = "<f8"
        write = writing.TiledWriter(into)
        run = event_model.compose_run(
            metadata={"sample": "BaTiO3", "wavelength": 1.5406, "plan_args": {"num": N}, **start}
        )
        write("start", run.start_doc)
        owners = {name.partition("_")[0] for name in keys}
        descriptor = run.compose_descriptor(
            name=stream,
            data_keys=keys,
            object_keys={o: [n for n in keys if n.startswith(o)] for o in owners},
            configuration={},
            hints={},
        )
        write("descriptor", descriptor.descriptor_doc)
        for i in range(N):
            data = {k: v for k, v in reading(series, i).items() if k in keys}
            data = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in data.items()}
            stamps = dict.fromkeys(data, float(i))
            write("event", descriptor.compose_event(data=data, timestamps=stamps))
        write("stop", run.compose_stop())
        return into[run.start_doc["uid"]]

    return put


@pytest.fixture
def run(put_run):
    return put_run()


def uid_of(run):
    return run.metadata["start"]["uid"]


def version_2(run):
    """Like `run.v2`, which also makes all other runs of the process be of version 2."""
    from bluesky_tiled_plugins.clients.bluesky_run import BlueskyRunV2

    return BlueskyRunV2(run.context, item=run.item, structure_clients=run.structure_clients)


def test_a_dataset_on_a_server_gives_the_same_latents(node, series, gives_the_same_latents):
    gives_the_same_latents(node)
    dataset = plugins.to_dataset(node)
    assert dataset.intensity.attrs == series.intensity.attrs
    assert dataset.attrs == series.attrs


def test_results_are_written_beside_the_dataset(client, node, model, latents):
    written = xrdae.analyze(node, model)
    assert list(client) == ["series", "series_xrdae"]
    found = client["series_xrdae"].read()
    xr.testing.assert_identical(found, written.read())
    np.testing.assert_allclose(found.latent, latents, atol=1e-6 * np.ptp(latents))
    assert {"latent", "novelty", "relevance", "relevance_profile", "x", "two_theta"} <= set(
        found.variables
    )
    assert found.region_center.attrs["units"] == "degree"
    assert found.attrs["xrdae_source"] == f"{client.item['id']}/series"
    record = json.loads(found.attrs["xrdae_provenance"])
    assert [entry["step"] for entry in record["steps"]] == ["encode", "relevance"]
    assert [made["config"]["members"] for made in record["models"].values()] == [4]


def test_nothing_is_overwritten(client, node, model):
    before = client["series"].read()
    for _ in range(3):
        xrdae.analyze(node, model)
    assert list(client) == ["series", "series_xrdae", "series_xrdae_2", "series_xrdae_3"]
    xr.testing.assert_identical(client["series"].read(), before)


def test_a_dask_client_stays_lazy(dask_client, node, gives_the_same_latents):
    lazy = dask_client["series"]
    assert plugins.to_dataset(lazy).chunks
    gives_the_same_latents(lazy)


def test_lazy_results_are_written(dask_client, node, model, latents):
    written = xrdae.analyze(dask_client["series"], model).read()
    assert written.chunks
    np.testing.assert_allclose(written.latent, latents, atol=1e-6 * np.ptp(latents))


def test_texts_of_any_type_are_written(client, node):
    result = xr.Dataset(
        {"latent": (("pattern", "latent_axis"), np.zeros((N, 2)))},
        {"sample": ("pattern", np.array([f"s{i}" for i in range(N)], dtype=object))},
    )
    written = plugins.manager().hook.xrdae_attach(obj=node, result=result).read()
    assert written["sample"].values.tolist() == result["sample"].values.tolist()


def test_a_stream_of_a_run_gives_the_same_latents(run, gives_the_same_latents):
    gives_the_same_latents(run["primary"])
    dataset = plugins.to_dataset(run["primary"])
    assert dataset.intensity.dims == ("time", "two_theta")
    assert dataset.two_theta.attrs == {"units": "deg", "long_name": "pe1_tth"}
    assert dataset.intensity.attrs["units"] == "counts"
    assert dataset.intensity_errors.dims == ("time", "two_theta")
    np.testing.assert_allclose(dataset.intensity_errors**2, dataset.intensity)


def test_a_run_stands_for_its_primary_stream(run, gives_the_same_latents):
    gives_the_same_latents(run)
    xr.testing.assert_identical(plugins.to_dataset(run), plugins.to_dataset(run["primary"]))


def test_readings_of_one_value_are_labels(run):
    dataset = plugins.to_dataset(run)
    assert {"time", "cryo_temperature", "robot_sample"} <= set(dataset.coords)
    assert dataset.cryo_temperature.attrs["units"] == "K"
    assert "cryo_temperature" in str(dataset.xrdae.fit(steps=20, members=2, progress=False))


def test_the_start_document_is_kept_and_gives_the_wavelength(run):
    attrs = plugins.to_dataset(run).attrs
    assert attrs["sample"] == "BaTiO3"
    assert attrs["wavelength"] == 1.5406
    assert attrs["uid"] == uid_of(run)
    assert "plan_args" not in attrs  # no text or number: files could not hold it


def test_patterns_along_q_use_that_wavelength(put_run, gives_the_same_latents):
    def along_q(series, i):
        q = 4 * np.pi * np.sin(np.radians(series.two_theta.values) / 2) / 1.5406
        return readings(series, i) | {"pe1_q": q}

    keys = {"pe1_tth": None, "pe1_q": {"shape": [P], "units": "1/angstrom"}}
    gives_the_same_latents(put_run(keys=keys, reading=along_q))


@pytest.mark.parametrize(("name", "units"), [("energy", "keV"), ("tof", "us"), ("r", "angstrom")])
def test_an_axis_of_spectra_is_kept_by_the_name_of_its_reading(put_run, series, name, units):
    def along(series, i):
        return readings(series, i) | {f"pe1_{name}": series.two_theta.values[::-1]}

    keys = {"pe1_tth": None, f"pe1_{name}": {"shape": [P], "units": units}}
    patterns = find_patterns(plugins.to_dataset(put_run(keys=keys, reading=along)))
    assert patterns.intensity.dims == ("time", name)
    assert (patterns.axis.kind, patterns.axis.units) == ("other", units)
    assert patterns.axis.descending
    np.testing.assert_array_equal(patterns.intensity[3], series.intensity[3, ::-1])


def test_a_motor_named_as_the_axis_stays_a_label(put_run, gives_the_same_latents):
    def with_motor(series, i):
        return readings(series, i) | {"two_theta": 30.0}

    run = put_run(keys={"two_theta": {"shape": [], "units": "deg"}}, reading=with_motor)
    gives_the_same_latents(run)
    np.testing.assert_array_equal(plugins.to_dataset(run).two_theta_reading, 30.0)


def test_a_reading_named_as_a_result_is_refused_with_how_to_rename_it(put_run, model):
    def with_label(series, i):
        return readings(series, i) | {"novelty": float(i)}

    run = put_run(keys={"novelty": {"shape": [], "units": "1"}}, reading=with_label)
    with pytest.raises(DataError, match="rename"):
        xrdae.analyze(run, model)


def test_images_are_not_read(run):
    assert "pe1_image" in run["primary"].read()
    assert "pe1_image" not in plugins.to_dataset(run)


def test_a_stream_of_a_dask_client_stays_lazy(dask_client, run, gives_the_same_latents):
    lazy = dask_client[uid_of(run)]
    dataset = plugins.to_dataset(lazy)
    assert dataset.intensity.chunks
    assert not dataset.two_theta.chunks
    gives_the_same_latents(lazy)


def test_version_2_of_the_client_gives_the_same_latents(run, gives_the_same_latents):
    gives_the_same_latents(version_2(run))
    gives_the_same_latents(version_2(run)["primary"])


def test_a_stream_without_bluesky_s_own_client_gives_the_same_latents(run, gives_the_same_latents):
    from tiled.client.composite import CompositeClient

    stream = run["primary"]
    plain = CompositeClient(
        stream.context, item=stream.item, structure_clients=stream.structure_clients
    )
    gives_the_same_latents(plain)


def test_a_stream_as_servers_on_mongodb_give_it_has_the_same_latents(
    client, run, series, gives_the_same_latents
):
    """Laid out as databroker does: descriptors, data in a node of its own, a dim for each array."""
    from tiled.client.xarray import write_xarray_dataset
    from tiled.structures.core import Spec

    old = client.create_container(
        "old",
        specs=[Spec("BlueskyRun", version="1.0")],
        metadata={"start": {"uid": "old", "wavelength": 1.5406}},
    )
    descriptor = {
        "data_keys": {k: dict(v) for k, v in run["primary"].metadata["data_keys"].items()}
    }
    stream = old.create_container(
        "primary",
        specs=[Spec("BlueskyEventStream", version="2.0")],
        metadata={"descriptors": [descriptor], "stream_name": "primary"},
    )
    data = run["primary"].read()
    data = xr.Dataset(
        {
            name: (["time", *(f"{name}_{d}" for d in array.dims[1:])], array.values)
            for name, array in data.data_vars.items()
        },
        {"time": data.time},
    )
    write_xarray_dataset(stream, data, key="data")
    gives_the_same_latents(client["old"]["primary"])


def test_results_are_written_beside_the_run(client, run, model, latents):
    written = xrdae.analyze(run, model)
    key = f"{uid_of(run)}_primary_xrdae"
    assert set(client) == {uid_of(run), key}
    found = client[key].read()
    np.testing.assert_allclose(found.latent, latents, atol=1e-6 * np.ptp(latents))
    np.testing.assert_array_equal(found.cryo_temperature, 300.0 + np.arange(N))
    assert found.robot_sample.values[3] == "s3"
    assert found.attrs["xrdae_source"] == f"{client.item['id']}/{uid_of(run)}/primary"
    assert list(run) == ["primary"]  # a child would pass for a stream
    assert written.item["id"] == key
    assert xrdae.analyze(version_2(run)["primary"], model).item["id"] == f"{key}_2"


def test_results_in_a_catalog_of_runs_are_found_by_their_source(client, put_run, model):
    from tiled.queries import Key
    from tiled.structures.core import Spec

    client.create_container("raw", specs=[Spec("CatalogOfBlueskyRuns", version="3.0")])
    run = put_run(into=client["raw"], scan_id=7)
    first, second = xrdae.analyze(run, model), xrdae.analyze(run, model)
    assert second.item["id"] == f"{first.item['id']}_2"
    source = f"{client.item['id']}/raw/{uid_of(run)}/primary"
    assert list(client["raw"].search(Key("xrdae_source") == source)) == [
        first.item["id"],
        second.item["id"],
    ]
    assert uid_of(client["raw"][7]) == uid_of(run)


def test_patterns_in_another_stream_are_given_by_that_stream(put_run, gives_the_same_latents):
    run = put_run(stream="fast")
    gives_the_same_latents(run["fast"])
    with pytest.raises(DataError, match=r"no stream 'primary' but \['fast'\]"):
        plugins.to_dataset(run)


def test_without_units_the_error_gives_a_recipe_that_works(put_run, series, gives_the_same_latents):
    run = put_run(keys={"pe1_tth": {"shape": [P]}})
    with pytest.raises(DataError, match="which reading of the stream") as caught:
        plugins.to_dataset(run)
    recipe = str(caught.value).partition("build the Dataset yourself: ")[2].partition(", then")[0]
    recipe = recipe.replace("<axis>", "pe1_tth").replace("<intensity>", "pe1_intensity")
    names = {"run": run}
    exec(recipe, names)
    gives_the_same_latents(names["ds"].assign_coords(wavelength=1.5406))


def test_plain_xarray_of_a_run_goes_through_the_accessor_with_its_axis_set(
    run, gives_the_same_latents
):
    ds = run["primary"].read()
    with pytest.raises(DataError, match="no intensity: none of the variables"):
        ds.xrdae.fit()
    dim = ds["pe1_intensity"].dims[-1]
    axis = ("two_theta", ds["pe1_tth"].values[0], {"units": "degree"})
    ds = ds.rename({"pe1_intensity": "intensity", dim: "two_theta"})
    ds = ds.assign_coords(two_theta=axis, wavelength=1.5406)
    gives_the_same_latents(ds.set_coords("cryo_temperature"))


def test_an_axis_that_moves_between_events_is_refused(put_run):
    def moving(series, i):
        return readings(series, i) | {"pe1_tth": series.two_theta.values + 0.1 * (i == 20)}

    with pytest.raises(DataError, match=r"'pe1_tth' differs between events by up to 0.1 deg"):
        plugins.to_dataset(put_run(reading=moving))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"pe1_angle": {"shape": [P], "units": "rad"}}, None),  # only pe1_tth has a known name
        ({"pe1_background": {"shape": [P], "units": "counts"}}, None),
        ({"pe1_a": {"shape": [P]}, "pe1_b": {"shape": [P]}}, None),
        (
            {"pe1_intensity": None, "pe1_a": {"shape": [P]}, "pe1_b": {"shape": [P]}},
            r"\['pe1_a', 'pe1_b'\] may all be it",
        ),
        ({"pe1_tth": None} | {n: {"shape": [P], "units": "deg"} for n in ("pe1_angle", "pe1_axis")},
         r"\['pe1_angle', 'pe1_axis'\] may all be one"),
        (dict.fromkeys(["pe1_tth", "pe1_intensity", "pe1_intensity_sigma", "pe1_chi"]),
         "no patterns"),
        (dict.fromkeys(["pe1_intensity", "pe1_intensity_sigma"]), "'pe1_tth'] has units of one"),
    ],
)  # fmt: skip
def test_names_decide_where_units_do_not_and_what_is_unclear_is_refused(
    put_run, gives_the_same_latents, keys, said
):
    def with_others(series, i):
        names = ["pe1_angle", "pe1_axis", "pe1_background", "pe1_a", "pe1_b"]
        others = dict.fromkeys(names, np.zeros(P))
        return others | readings(series, i)

    run = put_run(keys=keys, reading=with_others)
    if said is None:
        gives_the_same_latents(run)
    else:
        with pytest.raises(DataError, match=said):
            plugins.to_dataset(run)


def test_a_server_that_refuses_data_is_named_and_not_changed(serve_tree, tmp_path, latents):
    from tiled.catalog import from_uri
    from tiled.client import from_context

    # Without storage nodes may be made, but not arrays.
    tree = from_uri(f"sqlite:///{tmp_path}/catalog.db", init_if_not_exists=True)
    with serve_tree(tree) as context:
        client = from_context(context)
        node = client.create_container("series", specs=["xarray_dataset"], metadata={"attrs": {}})
        result = xr.Dataset({"latent": (("pattern", "latent_axis"), latents)})
        with pytest.raises(PermissionError, match=r"refuses to write 'series_xrdae'.*read\(\)"):
            plugins.manager().hook.xrdae_attach(obj=node, result=result)
        assert list(client) == ["series"]


@pytest.mark.parametrize("kind", ["node", "run"])
def test_a_client_that_may_only_read_is_told_how_to_keep_the_results(
    kind, request, context, model, latents, monkeypatch
):
    client = request.getfixturevalue(kind)
    monkeypatch.setattr(context, "api_key", None)
    with pytest.raises(PermissionError, match=r"refuses to write '.*_xrdae'") as caught:
        xrdae.analyze(client, model)
    names = {"xrdae": xrdae, "client": client}
    exec(str(caught.value).partition("results in memory: ")[2].rpartition("; ")[0], names)
    found = names["ds"].xrdae.encode(model).latent
    np.testing.assert_allclose(found, latents, atol=1e-6 * np.ptp(latents))


def test_objects_of_others_are_left_alone_and_tiled_is_not_imported():
    code = (
        "import sys; from xrdae_adapters import tiled; "
        "assert tiled.xrdae_to_dataset([1]) is None; assert tiled.xrdae_attach(3, None) is None; "
        "print('tiled' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_container_without_patterns_is_refused(client):
    with pytest.raises(TypeError, match="no plugin turns"):
        plugins.to_dataset(client)
