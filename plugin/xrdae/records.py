"""What records of provenance look like, to tell those of strangers; and how deep JSON may go."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 32  # JSON: what this package writes goes ten deep

# A type, several, a list of one kind, or a mapping of which some entries are known.
Pattern = Any
_TEXT_OR_NONE = (str, type(None))
_DATA = {"sizes": dict, "files": (list, dict)}
_MADE = {"time": str, "versions": dict, "command": _TEXT_OR_NONE, "data": _DATA, "config": dict}
MODEL = _MADE | {"updated_from": [_MADE | {"fingerprint": str}]}
STEP = _MADE | {"step": str, "results": [str], "arguments": dict, "model": str}


def parsed(text: str) -> Any:
    """Parse JSON that was given to us.

    Raises
    ------
    ValueError
        If it is none, or nested deeper than 32.
    """
    if not isinstance(text, str | bytes):
        raise ValueError(f"{type(text).__name__} is no JSON text")
    try:
        found = json.loads(text)
    except RecursionError:
        raise ValueError(f"JSON is nested deeper than {DEEPEST}") from None
    level, depth = [found], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"JSON is nested deeper than {DEEPEST}")
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    return found


def fits(value: Any, pattern: Pattern) -> bool:
    """Tell whether a value looks like a pattern; a mapping may lack entries, or have more."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            fits(value[name], inner) for name, inner in pattern.items() if name in value
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(fits(item, pattern[0]) for item in value)
    return isinstance(value, pattern)
