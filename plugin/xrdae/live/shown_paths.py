"""Messages without absolute paths of this machine, for the live page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_QUOTED = re.compile(r"""(['"])(?:[A-Za-z]:)?[\\/][^'"\n]*[\\/]([^'"\\/\n]*)\1""")
_BARE = re.compile(r"""(?<![\w.~<%-])(?:[A-Za-z]:)?[\\/]{1,2}(?:[^\s'"\\/]+[\\/])*(?=[^\s\\/])""")


def shorten_paths(text: str, folders: Iterable[Path]) -> str:
    """Return a message with relative paths in place of absolute ones.

    Paths below a known folder become relative to the folder. Of other absolute paths, the last
    part stays.

    Parameters
    ----------
    text
        Message.
    folders
        Known absolute folders.

    Examples
    --------
    >>> from pathlib import Path
    >>> shorten_paths("/data/run 1/deep/a.xy: see '/home/me/live.zarr'", [Path("/data/run 1")])
    "deep/a.xy: see 'live.zarr'"
    >>> shorten_paths("q in 1/nm or counts / s", [])
    'q in 1/nm or counts / s'
    """
    for folder in sorted(map(str, folders), key=len, reverse=True):
        text = text.replace(folder.rstrip(os.sep) + os.sep, "")
    return _BARE.sub("", _QUOTED.sub(r"\1\2\1", text))
