import os

import numpy as np
import pytest

from xrdae import plugins


@pytest.fixture(scope="session", autouse=True)
def tiled_makes_its_catalogues(deprecations_are_errors_in_child_processes):
    """Its child process, alembic, warns of tiled's own configuration."""
    with pytest.MonkeyPatch.context() as patch:
        rules = os.environ["PYTHONWARNINGS"]
        patch.setenv("PYTHONWARNINGS", f"{rules},ignore:No path_separator found in configuration")
        yield


@pytest.fixture(scope="session")
def latents(series, model):
    """Latents `(pattern, latent_axis)` of the series, from xarray itself."""
    return series.xrdae.encode(model)["latent"].values


@pytest.fixture(scope="session")
def gives_the_same_latents(model, latents):
    """Check the law for all hosts: the same patterns give the same latents to 1e-6.

    Takes a host's object that holds the 24 patterns of `series` (in any shape of sample
    dimensions, in the same order).
    """

    def check(obj, *, within=1e-6):
        found = plugins.to_dataset(obj).xrdae.encode(model)["latent"]
        values = found.transpose(..., "latent_axis").values.reshape(latents.shape)
        np.testing.assert_allclose(values, latents, rtol=0, atol=within * np.ptp(latents))

    return check


@pytest.fixture(scope="session")
def serve_tree():
    """From a tree to a context of a tiled server in this process, open to read, a key to write."""

    def serve(tree):
        from tiled.client import Context
        from tiled.config import Authentication
        from tiled.server.app import build_app

        # The key is one for all servers of the process, whose settings tiled keeps in one place.
        rights = Authentication(single_user_api_key="secret", allow_anonymous_access=True)
        return Context.from_app(build_app(tree, authentication=rights), api_key="secret")

    return serve


@pytest.fixture(scope="module")
def context(serve_tree, tmp_path_factory):
    """A tiled server with room for arrays and tables."""
    from tiled.catalog import in_memory

    folder = tmp_path_factory.mktemp("tiled")
    storage = {
        "filesystem": f"file://localhost{folder}",
        "sql": f"duckdb:///{folder}/tables.duckdb",
    }
    with serve_tree(in_memory(writable_storage=storage)) as context:
        yield context


@pytest.fixture
def client(context):
    """An empty container on the tiled server."""
    from tiled.client import from_context

    root = from_context(context)
    return root[root.create_container().item["id"]]
