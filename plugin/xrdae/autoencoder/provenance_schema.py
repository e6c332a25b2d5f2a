"""Schema of the provenance records of models and results. It needs no torch."""

from __future__ import annotations

_TEXT_OR_NONE = (str, type(None))
_DATA = {"sizes": dict, "files": (list, dict)}
_CHOICE = {"asked": str, "dimension": (int, float, type(None)), "patterns": int}
_RUN = {"time": str, "versions": dict, "command": _TEXT_OR_NONE, "data": _DATA, "config": dict}
MODEL = _RUN | {"n_latent": _CHOICE, "updated_from": [_RUN | {"fingerprint": str}]}
STEP = _RUN | {"step": str, "results": [str], "arguments": dict, "model": str}
