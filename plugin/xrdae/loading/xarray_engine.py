"""The engine `xrdae` of xarray: `xr.open_dataset("a.xrdml")`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint

# Endings that only diffraction files have; other files need engine="xrdae".
UNAMBIGUOUS = frozenset(
    {
        ".brml",
        ".chi",
        ".esd",
        ".fxye",
        ".gsa",
        ".gss",
        ".ras",
        ".rasx",
        ".uxd",
        ".xdi",
        ".xrdml",
        ".xy",
        ".xye",
    }
)


class XrdaeBackend(BackendEntrypoint):
    """Engine that opens one instrument file; see `xrdae.open_patterns`."""

    description = "Diffraction patterns in instrument formats (xrdae)"
    open_dataset_parameters = ("filename_or_obj", "drop_variables")

    def open_dataset(
        self, filename_or_obj: Any, *, drop_variables: str | Iterable[str] | None = None
    ) -> xr.Dataset:
        """Open one file; see `xrdae.open_patterns`."""
        from xrdae.loading.opening import read_dataset

        if not isinstance(filename_or_obj, str | os.PathLike):
            raise TypeError(
                f"engine 'xrdae' opens paths, not {type(filename_or_obj).__name__}; give the name "
                "of a file"
            )
        dataset = read_dataset(Path(filename_or_obj).absolute())
        dropped = [drop_variables] if isinstance(drop_variables, str) else drop_variables or ()
        return dataset.drop_vars(dropped, errors="ignore")

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Tell whether only diffraction files have this ending."""
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        return Path(filename_or_obj).suffix.lower() in UNAMBIGUOUS
