"""Other methods that embed patterns in few dimensions, with one interface.

To bench another method, write a function `fit_...` and add it to `METHODS`; `science.py` then
compares it. The function fits an embedding to patterns `(pattern, channel)`, each divided by its
maximum and without NaN. `speed.py` times the training loops. The module needs scikit-learn and
pyroVED (`pip install scikit-learn pyroved`).
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.decomposition import NMF, PCA
from sklearn.exceptions import ConvergenceWarning
from torch import nn

Float = npt.NDArray[Any]

# Gradient steps, rounded up to whole epochs, so that small and large series get the same number.
VAE_STEPS, VAE_BATCH = 4000, 16
DENSE_STEPS, DENSE_BATCH = 2000, 32


@dataclasses.dataclass(frozen=True)
class Embedding:
    """A fitted embedding.

    Attributes
    ----------
    encode
        Function from patterns `(pattern, channel)` to latents `(pattern, n_latent)`.
    decode
        Function from latents `(pattern, n_latent)` to patterns `(pattern, channel)`.
    """

    encode: Callable[[Float], Float]
    decode: Callable[[Float], Float]


def fit_pca(patterns: Float, *, n_latent: int = 2, seed: int = 0) -> Embedding:
    """Fit principal components.

    Parameters
    ----------
    patterns
        `(pattern, channel)`.
    n_latent
        Number of latent dimensions.
    seed
        Seed of the randomized solver, which scikit-learn uses for many large patterns.
    """
    pca = PCA(n_latent, random_state=seed).fit(patterns)
    return Embedding(pca.transform, pca.inverse_transform)


def fit_nmf(patterns: Float, *, n_latent: int = 2, seed: int = 0) -> Embedding:
    """Fit a non-negative matrix factorization. Negative intensities are set to 0.

    Parameters
    ----------
    patterns
        `(pattern, channel)`.
    n_latent
        Number of components.
    seed
        Seed of the initial singular value decomposition.
    """
    nmf = NMF(n_latent, init="nndsvda", max_iter=2000, random_state=seed)

    def call_quietly(function: Callable[[Float], Float], patterns: Float) -> Float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return function(np.clip(patterns, 0, None))

    call_quietly(nmf.fit, patterns)
    return Embedding(lambda patterns: call_quietly(nmf.transform, patterns), nmf.inverse_transform)


def fit_pyroved_vae(patterns: Float, *, n_latent: int = 2, seed: int = 0) -> Embedding:
    """Fit the variational autoencoder of pyroVED without invariances. Latents are posterior means.

    The patterns are scaled to [0, 1] by their common minimum and maximum, as in the examples of
    pyroVED. These settings differ from its defaults: a Gaussian sampler of width 0.05, leaky ReLU,
    batches of 16 and a learning rate of 3e-3. The defaults suit thousands of short spectra. With
    the defaults, latents of a few hundred patterns hardly follow the composition of the alloys.

    Parameters
    ----------
    patterns
        `(pattern, channel)`.
    n_latent
        Number of latent dimensions.
    seed
        Seed of the weights, the batches and the samples.
    """
    pyro, _ = import_pyroved()
    offset = patterns.min()
    scale = patterns.max() - offset
    x = torch.as_tensor((patterns - offset) / scale, dtype=torch.float32)
    with torch.random.fork_rng(), pyro.get_param_store().scope():
        epochs = train_vae(x, n_latent=n_latent, seed=seed)
        vae, batches = next(epochs)
        for _ in range(math.ceil(VAE_STEPS / batches) - 1):
            next(epochs)
    return Embedding(
        lambda patterns: evaluate(lambda x: vae.encoder_z(x)[0], (patterns - offset) / scale),
        lambda latents: evaluate(vae.decoder, latents) * scale + offset,
    )


def train_vae(x: torch.Tensor, *, n_latent: int, seed: int) -> Iterator[tuple[Any, int]]:
    """Train a VAE of pyroVED; yield it and the number of batches after each epoch."""
    _, pyroved = import_pyroved()
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
    while True:
        trainer.step(loader)
        yield vae, len(loader)


def fit_dense_autoencoder(patterns: Float, *, n_latent: int = 2, seed: int = 0) -> Embedding:
    """Fit a dense autoencoder of widths P-512-128-n_latent-128-512-P with Adam.

    Parameters
    ----------
    patterns
        `(pattern, channel)`.
    n_latent
        Width of the bottleneck.
    seed
        Seed of the weights and the batches.
    """
    x = torch.as_tensor(patterns, dtype=torch.float32)
    with torch.random.fork_rng():
        epochs = train_dense(x, n_latent=n_latent, seed=seed)
        for _ in range(math.ceil(DENSE_STEPS / math.ceil(len(x) / DENSE_BATCH))):
            encoder, decoder = next(epochs)
    return Embedding(
        lambda patterns: evaluate(encoder, patterns),
        lambda latents: evaluate(decoder, latents),
    )


def train_dense(
    x: torch.Tensor, *, n_latent: int, seed: int
) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Train a dense autoencoder and yield its encoder and decoder after each epoch."""
    p = x.shape[1]
    torch.manual_seed(seed)
    encoder, decoder = _make_layers(p, 512, 128, n_latent), _make_layers(n_latent, 128, 512, p)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    while True:
        for rows in torch.randperm(len(x)).split(DENSE_BATCH):
            loss = (decoder(encoder(x[rows])) - x[rows]).square().sum(1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        yield encoder, decoder


def _make_layers(*widths: int) -> nn.Sequential:
    """Return linear layers of the given widths with SiLU between them."""
    first, *rest = (nn.Linear(*pair) for pair in itertools.pairwise(widths))
    return nn.Sequential(first, *(module for layer in rest for module in (nn.SiLU(), layer)))


def evaluate(network: Callable[[torch.Tensor], torch.Tensor], values: Float) -> Float:
    """Return the output of a network for an array, as an array."""
    with torch.no_grad():
        return network(torch.as_tensor(values, dtype=torch.float32)).numpy().astype(np.float64)


def import_pyroved() -> tuple[types.ModuleType, types.ModuleType]:
    """Import pyro and pyroVED, even if torchvision is missing or does not match torch.

    pyroVED uses only `make_grid` of torchvision, to plot images. On PyPI, torchvision for Linux is
    built for CUDA and fails to load beside a CPU build of torch.
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


METHODS: dict[str, Callable[..., Embedding]] = {
    "PCA": fit_pca,
    "NMF": fit_nmf,
    "pyroVED VAE": fit_pyroved_vae,
    "dense autoencoder": fit_dense_autoencoder,
}
