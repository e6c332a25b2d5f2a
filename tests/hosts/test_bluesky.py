"""The callback on a real run engine, with results on a tiled server in this process."""

import json
import warnings

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("bluesky")
pytest.importorskip("tiled.server")
pytest.importorskip("bluesky_tiled_plugins")

import bluesky.plans as bp
from bluesky import RunEngine
from bluesky.callbacks.buffer import BufferingWrapper
from bluesky_tiled_plugins import TiledWriter

import xrdae
from xrdae import plugins
from xrdae.provenance import fingerprint
from xrdae_adapters.bluesky import LiveEncoder
from xrdae_adapters.tiled_rows import Rows

pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")

N = 24  # patterns of `series`
WRITTEN = 5  # of them, where fewer are enough


class Done:
    """A status of what takes no time."""

    done, success = True, True

    def add_callback(self, callback):
        callback(self)

    def exception(self, timeout=0.0):
        return None


class Cryostat:
    """Its position is the number of a pattern, counted from 300 K."""

    name, parent, position = "cryo", None, 300.0

    def set(self, value):
        self.position = value
        return Done()

    def describe(self):
        key = {"source": "sim", "dtype": "number", "shape": [], "units": "K"}
        return {"cryo": dict(key), "cryo_sample": key | {"dtype": "string", "units": ""}}

    def read(self):
        number = round(self.position - 300)
        values = {"cryo": self.position, "cryo_sample": f"s{number}"}
        return {name: {"value": value, "timestamp": 0.0} for name, value in values.items()}

    def describe_configuration(self):
        return {}

    read_configuration = describe_configuration


class Detector:
    """Gives the pattern of the series that belongs to the temperature."""

    name, parent = "pe1", None

    def __init__(self, series, cryostat):
        self.series, self.cryostat = series, cryostat
        self.broken, self.foreign = (), 0.0

    def trigger(self):
        return Done()

    def describe(self):
        array = {"source": "sim", "dtype": "array", "dtype_numpy": "<f8"}
        size = self.series.two_theta.size
        return {
            "pe1_tth": array | {"shape": [size], "units": "deg"},
            "pe1_intensity": array | {"shape": [size], "units": "counts"},
            "pe1_image": array | {"shape": [2, 3], "units": "counts"},
        }

    def read(self):
        i = round(self.cryostat.position - 300)
        counts = self.series.intensity.values[i] + self.foreign
        values = {
            "pe1_tth": self.series.two_theta.values,
            "pe1_intensity": np.full_like(counts, np.nan) if i in self.broken else counts,
            "pe1_image": np.zeros((2, 3)),
        }
        return {name: {"value": value.tolist(), "timestamp": 0.0} for name, value in values.items()}

    def describe_configuration(self):
        return {}

    read_configuration = describe_configuration


@pytest.fixture
def detector(series):
    return Detector(series, Cryostat())


@pytest.fixture
def documents():
    """Documents of the last run."""
    return []


@pytest.fixture
def engine(documents):
    engine = RunEngine({"wavelength": 1.5406, "sample": "BaTiO3"}, context_managers=[])
    engine.subscribe(lambda name, doc: documents.append((name, doc)))
    yield engine
    engine.loop.call_soon_threadsafe(engine.loop.stop)
    engine._th.join()
    engine.loop.close()


def scan(detector, n=WRITTEN, *, first=0):
    last = first + n - 1
    return bp.scan([detector], detector.cryostat, 300 + first, 300 + last, n)


def results_of(client, uid):
    return client[f"{uid}_primary_xrdae_live"].read()


def test_results_are_those_of_the_run_read_back(client, engine, detector, model, latents):
    engine.subscribe(TiledWriter(client))
    engine.subscribe(LiveEncoder(model, client, batch_size=5))
    (uid,) = engine(scan(detector, N))
    found = results_of(client, uid)
    run = plugins.to_dataset(client[uid])
    expected = run.xrdae.encode(model).xrdae.relevance(model)
    names = ["latent", "latent_std", "novelty", "reconstruction_error", "relevance"]
    of_regions = ["region_change", "region_std", "relevance_excess", "relevance_verdict"]
    for name in [*names, "latent_shift", "relevance_profile", *of_regions]:
        assert found[name].dims == expected[name].dims
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5)
    assert found.relevance_verdict.dtype == np.int8
    assert list(found.relevance_verdict.attrs["flag_values"]) == [-1, 0, 1, 2]
    np.testing.assert_allclose(found.latent, latents, atol=1e-6 * np.ptp(latents))
    for name in ("time", "cryo", "cryo_sample"):
        np.testing.assert_array_equal(found[name], expected[name])
    assert found.cryo.attrs["units"] == "K"
    assert found.seq_num.values.tolist() == list(range(1, N + 1))
    np.testing.assert_array_equal(found.novel, found.novelty > 1)
    assert found.attrs["xrdae_source"] == f"{client.item['id']}/{uid}/primary"
    record = json.loads(found.attrs["xrdae_provenance"])
    assert list(record["models"]) == [found.attrs["xrdae_model"]] == [fingerprint(model)]
    assert [entry["step"] for entry in record["steps"]] == ["encode", "relevance"]
    found.xrdae.plot.latent(color="cryo")


def test_arriving_spectra_keep_the_direction_of_their_axis(client, engine, series):
    energy = np.linspace(120.0, -5.0, series.two_theta.size)

    class Spectrometer(Detector):
        def describe(self):
            keys = super().describe()
            return {"pe1_energy": keys.pop("pe1_tth") | {"units": "eV"}} | keys

        def read(self):
            values = super().read()
            return values | {"pe1_energy": values.pop("pe1_tth") | {"value": energy.tolist()}}

    coord = ("energy", energy, {"units": "eV"})
    spectra = series.drop_vars(["two_theta", "wavelength"]).rename(two_theta="energy")
    spectra = spectra.assign_coords(energy=coord)
    model = spectra.xrdae.fit(steps=60, members=2, hidden=(8,), progress=False)
    engine.subscribe(LiveEncoder(model, client))
    (uid,) = engine(scan(Spectrometer(series, Cryostat())))
    found, expected = results_of(client, uid), xrdae.analyze(spectra, model)
    np.testing.assert_array_equal(found.energy, energy)
    for name in ("latent", "relevance_profile"):
        np.testing.assert_allclose(found[name], expected[name][:WRITTEN], rtol=0, atol=1e-4)


def test_results_are_there_while_the_run_goes_on(client, engine, detector, model, documents):
    def look(name, doc):
        if name == "event":
            (_, start), *_ = documents
            seen.append(results_of(client, start["uid"]).sizes["time"])

    seen = []
    engine.subscribe(LiveEncoder(model, client))
    engine.subscribe(look)
    engine(scan(detector, 3))
    assert seen == [1, 2, 3]


def replay(documents, encoder):
    for name, doc in documents:
        encoder(name, doc)


def test_a_replay_writes_nothing(client, engine, detector, model, documents, heard):
    engine.subscribe(LiveEncoder(model, client, batch_size=5))
    (uid,) = engine(scan(detector))
    before = results_of(client, uid)
    assert len(heard) == WRITTEN
    replay(documents, LiveEncoder(model, client))
    replay(documents, LiveEncoder(model, client, batch_size=4))
    xr.testing.assert_identical(results_of(client, uid), before)
    assert list(client) == [f"{uid}_primary_xrdae_live"]
    assert len(heard) == WRITTEN


def test_a_new_process_goes_on_where_the_last_one_ended(client, engine, detector, model, documents):
    (uid,) = engine(scan(detector))
    whole = LiveEncoder(model, client, batch_size=3)
    replay(documents[:6], whole)  # start, descriptor, four events: one batch of them is written
    assert results_of(client, uid).sizes["time"] == 3
    replay(documents, LiveEncoder(model, client, batch_size=5))
    found = results_of(client, uid)
    assert found.seq_num.values.tolist() == list(range(1, WRITTEN + 1))
    np.testing.assert_array_equal(found.cryo, 300 + np.arange(WRITTEN))


def test_leftovers_of_a_killed_process_are_overwritten(client, engine, detector, model, documents):
    (uid,) = engine(scan(detector))
    replay(documents[:4], LiveEncoder(model, client))
    array = client[f"{uid}_primary_xrdae_live"]["latent"]  # one array was extended, others not
    array.patch(np.full((1, 2), 9.0, array.dtype), offset=(2,), extend=True)
    replay(documents, LiveEncoder(model, client))
    found = results_of(client, uid)
    assert found.sizes["time"] == WRITTEN
    assert np.abs(found.latent).max() < 9


def test_another_model_has_separate_results(client, engine, detector, model, series, documents):
    (uid,) = engine(scan(detector, 2))
    other = series.xrdae.fit(steps=20, members=2, progress=False)
    for used in (model, other):
        replay(documents, LiveEncoder(used, client))
        replay(documents, LiveEncoder(used, client))
    key = f"{uid}_primary_xrdae_live"
    assert list(client) == [key, f"{key}_2"]
    assert client[f"{key}_2"].read().sizes["time"] == 2


def test_a_broken_pattern_is_named_and_the_others_stay(client, engine, detector, model, latents):
    detector.broken = (3,)
    engine.subscribe(LiveEncoder(model, client, batch_size=2))
    with pytest.warns(UserWarning, match=r"event 4 of run .*no positive finite intensity"):
        (uid,) = engine(scan(detector))
    found = results_of(client, uid)
    assert found.sizes["time"] == WRITTEN
    good = np.arange(WRITTEN) != 3
    assert np.isnan(found.latent[3]).all()
    np.testing.assert_allclose(
        found.latent[good], latents[:WRITTEN][good], atol=1e-6 * np.ptp(latents)
    )


def test_an_event_that_cannot_be_encoded_is_named_and_left_out(
    client, engine, detector, model, documents
):
    (uid,) = engine(scan(detector, 4))
    for name, doc in documents:
        if name == "event" and doc["seq_num"] in (1, 3):
            key = {1: "pe1_intensity", 3: "pe1_tth"}[doc["seq_num"]]
            doc = {**doc, "data": {**doc["data"], key: doc["data"][key][:50]}}
        if name == "descriptor":
            encoder = LiveEncoder(model, client)
            encoder(*documents[0])
        if name == "event" and doc["seq_num"] in (1, 3):
            with pytest.warns(UserWarning, match=f"event {doc['seq_num']} of run {uid}"):
                encoder(name, doc)
        elif name != "start":
            encoder(name, doc)
    assert results_of(client, uid).seq_num.values.tolist() == [2, 4]


def test_results_wait_for_a_server_that_does_not_answer(
    client, engine, detector, model, monkeypatch
):
    write = Rows.flush
    calls = []

    def flaky(self):
        calls.append(1)
        if len(calls) in (1, 3, 4):
            raise ConnectionError("the server does not answer")
        write(self)

    monkeypatch.setattr(Rows, "flush", flaky)
    engine.subscribe(LiveEncoder(model, client))
    with pytest.warns(UserWarning, match="not written yet: ConnectionError"):
        (uid,) = engine(scan(detector, 4))
    assert results_of(client, uid).seq_num.values.tolist() == [1, 2, 3, 4]


def test_a_scan_ends_well_though_nothing_can_be_written(
    client, engine, detector, model, monkeypatch
):
    def refuse(self):
        raise PermissionError("read only")

    monkeypatch.setattr(Rows, "connect", refuse)
    engine.subscribe(LiveEncoder(model, client))
    with pytest.warns(UserWarning, match="LiveEncoder") as said:
        (uid,) = engine(scan(detector, 2))
    assert f"run {uid} has ended and 2 results are not written: compute them" in str(
        said[-1].message
    )
    assert list(client) == []


@pytest.fixture
def heard():
    """Results that a plugin heard of."""

    class Listener:
        @xrdae.hookimpl
        def xrdae_on_result(self, result):
            results.append(result)

    results = []
    listener = Listener()
    plugins.manager().register(listener)
    yield results
    plugins.manager().unregister(listener)


def test_plugins_receive_every_pattern_on_arrival(client, engine, detector, model, heard):
    engine.subscribe(LiveEncoder(model, client, threshold=1.5, batch_size=100))
    engine(scan(detector, 2))
    detector.foreign = 500 * np.exp(-(((detector.series.two_theta.values - 40) / 0.8) ** 2))
    engine(scan(detector, 2))
    assert [result.sizes["time"] for result in heard] == [1] * 4
    assert [bool(result.novel.all()) for result in heard] == [False, False, True, True]
    assert heard[3].cryo.values == [301]


def test_drift_is_reported_once(client, engine, detector, model):
    detector.foreign = 500 * np.exp(-(((detector.series.two_theta.values - 40) / 0.8) ** 2))
    engine.subscribe(LiveEncoder(model, client, batch_size=100))
    with pytest.warns(UserWarning, match="the model no longer fits what is measured") as said:
        engine(scan(detector, 12))
    assert len([w for w in said if "no longer fits" in str(w.message)]) == 1


def test_runs_at_once_and_other_streams_do_not_mix(client, engine, detector, model, documents):
    uids = [engine(scan(detector, n))[0] for n in (2, 3)]
    first = documents[: len(documents) - 6]
    second = documents[len(first) :]
    encoder = LiveEncoder(model, client)
    for pair in zip(first, second, strict=False):
        replay(pair, encoder)
    replay(second[len(first) :], encoder)
    assert [results_of(client, uid).sizes["time"] for uid in uids] == [2, 3]
    replay(documents, LiveEncoder(model, client, stream="baseline"))
    assert len(client) == 2


def test_pages_of_events_are_taken_too(client, engine, detector, model, documents):
    import event_model

    (uid,) = engine(scan(detector, 3))
    events = [doc for name, doc in documents if name == "event"]
    encoder = LiveEncoder(model, client)
    replay(documents[:2], encoder)
    encoder("event_page", event_model.pack_event_page(*events))
    encoder(*documents[-1])
    assert results_of(client, uid).sizes["time"] == 3


def test_a_warning_names_patterns_that_a_detector_writes_to_files(
    client, engine, detector, model, documents
):
    engine(scan(detector, 1))
    (_, descriptor) = documents[1]
    keys = {name: dict(key) for name, key in descriptor["data_keys"].items()}
    keys["pe1_intensity"]["external"] = "STREAM:"
    encoder = LiveEncoder(model, client)
    encoder(*documents[0])
    with pytest.warns(UserWarning, match=r"\['pe1_intensity'\] of run .* to files"):
        encoder("descriptor", {**descriptor, "data_keys": keys})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder("stream_resource", {"uid": "a", "data_key": "pe1_intensity"})
        encoder("stream_datum", {"uid": "a/0", "stream_resource": "a"})
        encoder(*documents[-1])
    assert len(client) == 0


def test_a_thread_of_bluesky_s_own_lets_the_scan_go_on(client, engine, detector, model):
    buffered = BufferingWrapper(LiveEncoder(model, client))
    engine.subscribe(buffered)
    (uid,) = engine(scan(detector, 3))
    buffered.shutdown()
    assert results_of(client, uid).sizes["time"] == 3


def test_a_batch_of_none_is_refused(client, model):
    with pytest.raises(ValueError, match="batch_size is 0; it must be at least 1"):
        LiveEncoder(model, client, batch_size=0)
