"""XML of instruments: parsed without entities, read without namespaces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xrdae.errors import FormatError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DECLARED = re.compile(
    rb"""^\s*<\?xml\s[^>]{0,80}?encoding\s*=\s*["'](shift[-_]jis|sjis|windows-31j|cp932|euc-jp)["']""",
    re.I,
)  # of several bytes a character, which expat does not decode

Float = npt.NDArray[np.float64]


def parse(content: bytes) -> Element:
    """Return the root of an XML document; tags are without their namespace.

    Raises
    ------
    FormatError
        If it is not well-formed, or has a document type or entities: no instrument writes them,
        and they can unpack to gigabytes or read other files.
    """
    try:
        from defusedxml import DefusedXmlException, ElementTree
    except ModuleNotFoundError as error:
        raise FormatError('this format needs defusedxml: pip install "xrdae[formats]"') from error
    if declared := _DECLARED.match(content):
        content = _encode_utf_8(content, declared)
    try:
        root: Element = ElementTree.fromstring(content, forbid_dtd=True)
    except DefusedXmlException as error:
        raise FormatError(f"its XML has a document type or entities: {error}") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise FormatError(f"its XML is damaged: {error}") from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _encode_utf_8(content: bytes, declared: re.Match[bytes]) -> bytes:
    """Return a document in UTF-8, without its declaration of another encoding."""
    name = "euc-jp" if declared[1].lower() == b"euc-jp" else "cp932"
    try:
        return content[declared.end() :].decode(name).partition("?>")[2].encode()
    except UnicodeDecodeError as error:
        raise FormatError(f"its XML is not in {name}, as it says: {error}") from error


def read_text(parent: Element | None, path: str) -> str:
    """Return the text of the first element at a path; empty if there is no element."""
    return (parent.findtext(path) or "").strip() if parent is not None else ""


def read_numbers(parent: Element, path: str) -> Float:
    """Return the numbers in the first element at a path; empty if there is no element.

    Raises
    ------
    FormatError
        If one of them is no number.
    """
    return parse_numbers((parent.findtext(path) or "").split(), path)


def parse_numbers(texts: Any, what: str) -> Float:
    """Return texts as an array of numbers.

    Raises
    ------
    FormatError
        If one of them is no number, or rows differ in length.
    """
    try:
        return np.array(texts, dtype=np.float64)
    except ValueError as error:
        raise FormatError(f"its {what} are no numbers: {error}") from error
