"""Autoencoder latents, peak relevance and synthesized patterns for X-ray diffraction datasets.

Importing xrdae registers the accessor `ds.xrdae`. The public names are listed in `__init__.pyi`.
Their modules, and torch, are imported when a name is first used.
"""

from importlib.metadata import version

import lazy_loader

import xrdae.accessor  # noqa: F401  (registers `ds.xrdae`)

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__version__ = version("xrdae")
