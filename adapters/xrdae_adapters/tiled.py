"""tiled: datasets and bluesky runs on a server in, results written beside them.

Facts of the host: a stream of a bluesky run comes back with dimensions (time, dim_int_1) and
without units; these, and what each reading is, stay in the descriptors' `data_keys`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import xarray as xr

from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl
from xrdae_adapters.events import names_of_readings, to_patterns

_MOST_RESULTS = 1000  # beside one node
_CONFLICT = 409


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Read a dataset, or a stream of a bluesky run, from a tiled server.

    Parameters
    ----------
    obj
        A client of a node that holds an xarray Dataset; a `BlueskyRun`, which stands for its
        stream `primary`; or one of its streams.

    Returns
    -------
    Dataset
        A node's Dataset as it was written. Of a stream: `intensity (time, <axis>)`, the axis as
        `two_theta`, `q` or `d` where its reading is one, else by the name of its reading without
        that of the device (`energy`, `tof` ...), units from the `data_keys`; a value for each
        event is a coordinate, texts and numbers of the start document are attributes
        (`wavelength` [angstrom] among them). Images are not read. Lazy where the client is one of
        `from_uri(..., structure_clients="dask")`.

    Raises
    ------
    DataError
        If it is not clear which reading is the axis (its name and units say so) and which the
        intensity, or if the axis is not the same for all events.
    """
    node = _find_node(obj)
    if node is None:
        return None
    dataset: xr.Dataset = _read_stream(node) if _is_stream(node) else node.read()
    return dataset


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Write a result into the same container, and return the client of the new node.

    The key is `<key>_xrdae` of a dataset, `<uid>_<stream>_xrdae` of a run; where there is one
    already, `..._xrdae_2` and so on: nothing is overwritten. (Not inside a run: bluesky takes all
    that is there for streams.) The attribute `xrdae_source` is the path of what was analyzed, to be
    searched for by `Key("attrs.xrdae_source") == "<uid>/primary"`; in a `CatalogOfBlueskyRuns`,
    which knows keys of runs only, by `Key("xrdae_source")`.

    Raises
    ------
    PermissionError
        If the server does not let the client write there.
    """
    node = _find_node(obj)
    if node is None:
        return None
    from tiled.client.utils import ClientError

    run = _find_run(node) if _is_stream(node) else None
    source = "/".join(filter(None, node.path_parts))
    ids = [node.item["id"]] if run is None else [run.item["id"], node.item["id"]]
    key, container = "_".join([*ids, "xrdae"]), (node if run is None else run).parent
    metadata = metadata_of(result, source, of_run=run is not None)
    for number in range(1, _MOST_RESULTS):
        try:
            numbered = key if number == 1 else f"{key}_{number}"
            return write_dataset(container, result, key=numbered, metadata=metadata)
        except ClientError as error:
            if error.response.status_code == _CONFLICT:
                continue
            how = "xrdae.plugins.to_dataset(client)" if _is_stream(node) else "client.read()"
            raise PermissionError(
                f"the tiled server refuses to write {key!r} beside {source!r} ({error}); ask for "
                f"the right to write, or keep the results here: ds = {how}; ds.xrdae.encode(model)"
            ) from error
    raise FileExistsError(f"{_MOST_RESULTS} results are beside {source!r}; delete some")


def _find_node(obj: Any) -> Any:
    """Return the client of a dataset or of a stream, None where the object is not tiled's."""
    base = sys.modules.get("tiled.client.base")
    if base is None:
        return None
    streams = sys.modules.get("bluesky_tiled_plugins.clients.bluesky_event_stream")
    if streams is not None and isinstance(obj, streams.BlueskyEventStreamV2SQL):
        obj = obj["data"]  # a stream of version 2 is no client itself
    if not isinstance(obj, base.BaseClient):
        return None
    if _has_spec(obj, "BlueskyRun"):
        if "primary" not in obj:
            raise DataError(
                f"the run {obj.item['id']} has no stream 'primary' but {list(obj)}; give the one "
                "that holds the patterns, run[...]"
            )
        return _find_node(obj["primary"])
    return obj if _has_spec(obj, "xarray_dataset") or _is_stream(obj) else None


def _has_spec(client: Any, name: str) -> bool:
    return any(spec.name == name for spec in client.specs)


def _is_stream(client: Any) -> bool:
    return _has_spec(client, "BlueskyEventStream")


def _find_run(stream: Any) -> Any:
    run = stream.parent
    while not _has_spec(run, "BlueskyRun"):  # older servers keep streams in a namespace
        run = run.parent
    return run


def _read_stream(stream: Any) -> xr.Dataset:
    """Return a stream as patterns."""
    metadata = stream.metadata
    keys = metadata.get("data_keys", {})
    for descriptor in metadata.get("descriptors", []):  # where the server keeps them in MongoDB
        keys = {**keys, **descriptor["data_keys"]}
    # Without bluesky's own client the columns of the table would have a dimension of their own.
    options = {"dim0": "time"} if _has_spec(stream, "composite") else {}
    dataset = stream.read(variables=["time", *names_of_readings(keys)], **options)
    return to_patterns(dataset, keys, start=_find_run(stream).metadata["start"])


def metadata_of(result: xr.Dataset, source: str, *, of_run: bool) -> dict[str, Any]:
    """Return the metadata of a result's node."""
    metadata: dict[str, Any] = {"attrs": {**result.attrs, "xrdae_source": source}}
    if of_run:
        metadata["start"] = {"xrdae_source": source}  # where a catalog of runs searches
    return metadata


def write_dataset(
    container: Any, result: xr.Dataset, *, key: str, metadata: Mapping[str, Any]
) -> Any:
    """Write a Dataset as `tiled.client.xarray.write_xarray_dataset` does, but wholly or not."""
    from tiled.structures.core import Spec

    specs = [Spec("xarray_dataset")]
    node = container.create_container(key=key, specs=specs, metadata=metadata)
    try:
        for name in result.variables:
            array = result[name]
            if array.dtype.kind == "O":  # tiled has no type for it
                array = array.astype("U")
            kind = "xarray_coord" if name in result.coords else "xarray_data_var"
            node.write_array(
                array.data,
                key=str(name),
                metadata={"attrs": array.attrs},
                dims=array.dims,
                specs=[Spec(kind)],
            )
    except BaseException:
        node.delete(recursive=True, external_only=False)
        raise
    return node
