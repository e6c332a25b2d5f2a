"""Content of text files, read by the reader that knows it."""

from pathlib import Path

import pytest

from xrdae.errors import FormatError
from xrdae.readers import gsas, ras, spec, text_columns, uxd, xdi
from xrdae.readers.data_file import DataFile

READERS = (ras, uxd, gsas, xdi, spec, text_columns)


ROWS = "10.0 100 10\n10.5 144 12\n11.0 121 11\n"


def read_text(content, name="a.xy"):
    """Read a text by the reader that knows it."""
    content = content.encode() if isinstance(content, str) else content
    file = DataFile(Path(name), content)
    reader = next((reader for reader in READERS if reader.is_mine(file)), None)
    if reader is None:
        raise FormatError("no reader")
    return reader.read_scans(file)


def read_one_scan(content, name="a.xy"):
    [scan] = read_text(content, name)
    return scan


def find_refusal(content, name="a.xy"):
    with pytest.raises(FormatError) as found:
        read_text(content, name)
    return str(found.value)
