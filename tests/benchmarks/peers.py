"""Other ways to embed patterns in few dimensions, behind one interface.

`PEERS` maps names to functions that fit an embedding to patterns `(pattern, channel)`, each divided
by its maximum and without NaN. Needs scikit-learn and pyroVED (`pip install scikit-learn pyroved`).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import NMF, PCA
from sklearn.exceptions import ConvergenceWarning
from torch import nn

Float = npt.NDArray[Any]

# Gradient steps, rounded up to whole epochs: small series get as many as large ones.
VAE_STEPS, VAE_BATCH = 4000, 16
DENSE_STEPS, DENSE_BATCH = 2000, 32


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A fitted embedding.

    Attributes
    ----------
    encode
        From patterns `(pattern, channel)` to latents `(pattern, n_latent)`.
    decode
        From latents `(pattern, n_latent)` to patterns `(pattern, channel)`.
    """

    encode: Callable[[Float], Float]
    decode: Callable[[Float], Float]


def fit_pca(patterns: Float, *, n_latent: int = 2, seed: int = 0) -> Fitted:
    """Fit principal components.

    Parameters
    ----------
    patterns
        `(pattern, channel)`.
    n_latent
        Number of latent dimensions.
    seed
        Of the randomized solver that scikit-learn takes for many large patterns.
    """
    pca = PCA(n_latent, random_state=seed).fit(patterns)
    return Fitted(pca.transform, pca.inverse_transform)


def fit_nmf(patterns: Float, *, n_latent: int = 2, seed: int = 0) -> Fitted:
    """Fit a non-negative matrix factorization; negative intensities count as 0.

    Parameters
    ----------
    patterns
        `(pattern, channel)`.
    n_latent
        Number of components.
    seed
        Of the singular value decomposition that it starts from.
    """
    nmf = NMF(n_latent, init="nndsvda", max_iter=2000, random_state=seed)

    def quietly(function: Callable[[Float], Float], patterns: Float) -> Float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return function(np.clip(patterns, 0, None))

    quietly(nmf.fit, patterns)
    return Fitted(lambda patterns: quietly(nmf.transform, patterns), nmf.inverse_transform)


def fit_pyroved_vae(patterns: Float, *, n_latent: int = 2, seed: int = 0) -> Fitted:
    """Fit pyroVED's variational autoencoder without invariances; latents are posterior means.

    As in its examples, the patterns are scaled to [0, 1] by the common minimum and maximum.
    Different from its defaults: a Gaussian sampler of width 0.05, leaky ReLU, batches of 16 and a
    learning rate of 3e-3. With the defaults, made for thousands of short spectra, the latents of
    a few hundred patterns hardly follow the composition of the simulated alloys.

    Parameters
    ----------
    patterns
        `(pattern, channel)`.
    n_latent
        Number of latent dimensions.
    seed
        Of the weights, the batches and the samples.
    """
    pyro, pyroved = _import_pyroved()
    offset = patterns.min()
    scale = patterns.max() - offset
    x = torch.as_tensor((patterns - offset) / scale, dtype=torch.float32)
    with torch.random.fork_rng(), pyro.get_param_store().scope():
        vae = pyroved.models.iVAE(
            (x.shape[1],),
            n_latent,
            invariances=None,
            activation="lrelu",
            sampler_d="gaussian",
            decoder_sig=0.05,
            seed=seed,
            device="cpu",
        )
        trainer = pyroved.trainers.SVItrainer(vae, seed=seed, lr=3e-3, device="cpu")
        loader = pyroved.utils.init_dataloader(x, batch_size=VAE_BATCH)
        for _ in range(math.ceil(VAE_STEPS / len(loader))):
            trainer.step(loader)
    return Fitted(
        lambda patterns: _evaluate(lambda x: vae.encoder_z(x)[0], (patterns - offset) / scale),
        lambda latents: _evaluate(vae.decoder, latents) * scale + offset,
    )


def fit_dense_autoencoder(patterns: Float, *, n_latent: int = 2, seed: int = 0) -> Fitted:
    """Fit a plain dense autoencoder of widths P-512-128-n_latent-128-512-P with Adam.

    Parameters
    ----------
    patterns
        `(pattern, channel)`.
    n_latent
        Width of the bottleneck.
    seed
        Of the weights and the batches.
    """
    x = torch.as_tensor(patterns, dtype=torch.float32)
    p = x.shape[1]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder, decoder = _dense(p, 512, 128, n_latent), _dense(n_latent, 128, 512, p)
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
        for _ in range(math.ceil(DENSE_STEPS / math.ceil(len(x) / DENSE_BATCH))):
            for rows in torch.randperm(len(x)).split(DENSE_BATCH):
                loss = (decoder(encoder(x[rows])) - x[rows]).square().sum(1).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return Fitted(
        lambda patterns: _evaluate(encoder, patterns),
        lambda latents: _evaluate(decoder, latents),
    )


def _dense(*widths: int) -> nn.Sequential:
    """Return linear layers between these widths with SiLU between them."""
    first, *rest = (nn.Linear(*pair) for pair in itertools.pairwise(widths))
    return nn.Sequential(first, *(module for layer in rest for module in (nn.SiLU(), layer)))


def _evaluate(network: Callable[[torch.Tensor], torch.Tensor], values: Float) -> Float:
    """Return what a network makes of an array, as an array."""
    with torch.no_grad():
        return network(torch.as_tensor(values, dtype=torch.float32)).numpy().astype(np.float64)


def _import_pyroved() -> tuple[types.ModuleType, types.ModuleType]:
    """Import pyro and pyroVED, also where torchvision is not there or does not fit torch.

    pyroVED takes from torchvision only `make_grid`, to plot images; PyPI's torchvision for Linux
    is built for CUDA and fails to load beside a CPU build of torch.
    """
    stand_ins = {}
    try:
        import torchvision.utils  # noqa: F401
    except (ImportError, RuntimeError):
        stand_ins = {name: types.ModuleType(name) for name in ("torchvision", "torchvision.utils")}
        stand_ins["torchvision.utils"].make_grid = None  # type: ignore[attr-defined]
    sys.modules.update(stand_ins)
    import pyro
    import pyroved

    for name in stand_ins:
        del sys.modules[name]
    return pyro, pyroved


PEERS: dict[str, Callable[..., Fitted]] = {
    "PCA": fit_pca,
    "NMF": fit_nmf,
    "pyroVED VAE": fit_pyroved_vae,
    "dense autoencoder": fit_dense_autoencoder,
}
