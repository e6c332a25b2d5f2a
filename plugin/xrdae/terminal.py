"""Text from files, made safe for terminals."""

from __future__ import annotations

import unicodedata


def escape_control(text: object) -> str:
    r"""Return a value as text in one line, without characters that control a terminal.

    Characters that are not printable are written as Python does: control characters (C0 and C1),
    characters that change the direction of text, and breaks of lines.

    Examples
    --------
    >>> print(escape_control("alloy\x1b[2J\x9b31m\n5 µm"))
    alloy\x1b[2J\x9b31m\n5 µm
    """
    return "".join(c if _is_shown(c) else ascii(c)[1:-1] for c in str(text))


def escape_lines(text: str) -> str:
    """Return a text with its breaks of lines, but without other control characters."""
    return "\n".join(map(escape_control, text.split("\n")))


def _is_shown(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
