"""JSON from files: bounded depth, and a check of its form."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 32  # JSON: what this package writes goes ten deep

# A type, several, a list of one kind, or a mapping of which some entries are known.
Schema = Any


def parse_json(text: str | bytes) -> Any:
    """Parse JSON from outside this package.

    Raises
    ------
    ValueError
        If the text is not JSON, or is nested deeper than 32.
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


def matches_schema(value: Any, schema: Schema) -> bool:
    """Tell whether a value matches a schema; a mapping may lack entries, or have more."""
    if isinstance(schema, dict):
        return isinstance(value, dict) and all(
            matches_schema(value[name], inner) for name, inner in schema.items() if name in value
        )
    if isinstance(schema, list):
        return isinstance(value, list) and all(matches_schema(item, schema[0]) for item in value)
    return isinstance(value, schema)
