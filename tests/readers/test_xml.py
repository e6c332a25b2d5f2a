"""XML of instruments is parsed without entities."""

import pytest

from xrdae.errors import FormatError
from xrdae.readers import xml

pytest.importorskip("defusedxml")


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b"<!DOCTYPE a><a/>",
    ],
)
def test_entities_and_document_types_are_refused(content):
    with pytest.raises(FormatError, match="document type or entities"):
        xml.parse(content)


@pytest.mark.parametrize("content", [b"", b"<a>", b"\xff\xff", b'<?xml encoding="no"?><a/>'])
def test_damaged_xml_is_refused(content):
    with pytest.raises(FormatError, match="XML is damaged"):
        xml.parse(content)
