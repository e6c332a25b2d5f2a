"""tiled: reads datasets and bluesky runs from a server, and writes results beside them.

tiled returns a stream of a bluesky run with dimensions (time, dim_int_1) and without units. Units
and shapes of the readings are in the `data_keys` of the descriptors.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import xarray as xr

from xrdae.errors import DataError
from xrdae.hookspecs import hookimpl
from xrdae_adapters.bluesky_readings import list_readings, to_patterns

_MOST_RESULTS = 1000  # beside one node
_CONFLICT = 409  # HTTP status: the key is taken


@hookimpl
def xrdae_to_dataset(obj: Any) -> xr.Dataset | None:
    """Read a dataset, or a stream of a bluesky run, from a tiled server.

    Parameters
    ----------
    obj
        Client of a node with an xarray Dataset, of a `BlueskyRun`, or of a stream of a run. A run
        stands for its stream `primary`.

    Returns
    -------
    Dataset
        The Dataset of a node, unchanged. For a stream, `intensity (time, <axis>)` with units from
        the `data_keys`. A diffraction axis is named `two_theta`, `q` or `d`. Another axis has the
        name of its reading without the name of the device (`energy`, `tof`). Readings with one
        value for each event are coordinates. Texts and numbers of the start document are
        attributes, such as `wavelength` [angstrom]. Images are not read. The Dataset is lazy if
        the client was made by `from_uri(..., structure_clients="dask")`.

    Raises
    ------
    DataError
        If names and units do not tell the axis and the intensity, or if the axis differs between
        events.

    Examples
    --------
    >>> from tiled.client import from_uri
    >>> client = from_uri("http://localhost:8000", api_key="secret")
    >>> dataset = xrdae.plugins.to_dataset(client["scan_1"])
    """
    node = _find_node(obj)
    if node is None:
        return None
    dataset: xr.Dataset = _read_stream(node) if _is_stream(node) else node.read()
    return dataset


@hookimpl
def xrdae_attach(obj: Any, result: xr.Dataset) -> Any:
    """Write a result into the container of its data, and return the client of the new node.

    The key is `<key>_xrdae` for a dataset and `<uid>_<stream>_xrdae` for a run. If the key is
    taken, it becomes `..._xrdae_2` and so on; nothing is overwritten. Results are not written
    inside a run, because bluesky treats all content of a run as streams. The attribute
    `xrdae_source` is the path of the analyzed node. Search for it with
    `Key("attrs.xrdae_source") == "<uid>/primary"`, or with `Key("xrdae_source")` in a
    `CatalogOfBlueskyRuns`, which indexes only keys of runs.

    Raises
    ------
    PermissionError
        If the server refuses to write there.
    FileExistsError
        If there are already 1000 results of the node.

    Examples
    --------
    >>> node = xrdae.analyze(client["scan_1"], model)
    >>> node.read()["latent"]
    """
    node = _find_node(obj)
    if node is None:
        return None
    from tiled.client.utils import ClientError

    run = _find_run(node) if _is_stream(node) else None
    source = "/".join(filter(None, node.path_parts))
    ids = [node.item["id"]] if run is None else [run.item["id"], node.item["id"]]
    key, container = "_".join([*ids, "xrdae"]), (node if run is None else run).parent
    metadata = build_metadata(result, source, is_run=run is not None)
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
                "permission to write, or keep the results in memory: "
                f"ds = {how}; ds.xrdae.encode(model)"
            ) from error
    raise FileExistsError(f"there are {_MOST_RESULTS} results beside {source!r}; delete some")


def _find_node(obj: Any) -> Any:
    """Return the client of a dataset or of a stream; None for an object of another library."""
    base = sys.modules.get("tiled.client.base")
    if base is None:
        return None
    streams = sys.modules.get("bluesky_tiled_plugins.clients.bluesky_event_stream")
    if streams is not None and isinstance(obj, streams.BlueskyEventStreamV2SQL):
        obj = obj["data"]  # a stream of version 2 is not a client
    if not isinstance(obj, base.BaseClient):
        return None
    if _has_spec(obj, "BlueskyRun"):
        if "primary" not in obj:
            raise DataError(
                f"the run {obj.item['id']} has no stream 'primary' but {list(obj)}; pass the "
                "stream with the patterns, run[...]"
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
    for descriptor in metadata.get("descriptors", []):  # only servers with MongoDB have them
        keys = {**keys, **descriptor["data_keys"]}
    # Without bluesky's client, the columns of the table would get a separate dimension.
    options = {"dim0": "time"} if _has_spec(stream, "composite") else {}
    dataset = stream.read(variables=["time", *list_readings(keys)], **options)
    return to_patterns(dataset, keys, start=_find_run(stream).metadata["start"])


def build_metadata(result: xr.Dataset, source: str, *, is_run: bool) -> dict[str, Any]:
    """Return the metadata of the node of a result.

    Parameters
    ----------
    result
        The result.
    source
        Path of the analyzed node.
    is_run
        Whether the node is a stream of a run.

    Examples
    --------
    >>> build_metadata(xr.Dataset(), "scan_1", is_run=False)
    {'attrs': {'xrdae_source': 'scan_1'}}
    """
    metadata: dict[str, Any] = {"attrs": {**result.attrs, "xrdae_source": source}}
    if is_run:
        metadata["start"] = {"xrdae_source": source}  # where a catalog of runs searches
    return metadata


def write_dataset(
    container: Any, result: xr.Dataset, *, key: str, metadata: Mapping[str, Any]
) -> Any:
    """Write a Dataset in the layout of `tiled.client.xarray.write_xarray_dataset`.

    If writing fails, the incomplete node is deleted.

    Parameters
    ----------
    container
        Client of the container to write into.
    result
        Dataset to write.
    key
        Key of the new node.
    metadata
        Metadata of the new node.

    Returns
    -------
    tiled client
        Client of the new node.
    """
    from tiled.structures.core import Spec

    specs = [Spec("xarray_dataset")]
    node = container.create_container(key=key, specs=specs, metadata=metadata)
    try:
        for name in result.variables:
            array = result[name]
            if array.dtype.kind == "O":  # tiled has no such type
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
