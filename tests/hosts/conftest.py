import numpy as np
import pytest

from xrdae import plugins


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
